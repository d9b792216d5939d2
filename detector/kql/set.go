package kql

// set is several whole texts:
//
//	event.action: (create or update or "patch")
//
// The length of a text tells most of them apart; where many are as long, a
// hash does.
type set struct {
	byLength [][]string
	byHash   map[string]struct{} // holds the lengths of which there are many
}

// manyOfOneLength is how many texts are compared one by one.
const manyOfOneLength = 8

func newSet(texts []string) *set {
	s := &set{}
	longest := 0
	for _, t := range texts {
		longest = max(longest, len(t))
	}
	s.byLength = make([][]string, longest+1)
	for _, t := range texts {
		s.byLength[len(t)] = append(s.byLength[len(t)], t)
	}
	for _, same := range s.byLength {
		if len(same) <= manyOfOneLength {
			continue
		}
		if s.byHash == nil {
			s.byHash = make(map[string]struct{})
		}
		for _, t := range same {
			s.byHash[t] = struct{}{}
		}
	}
	return s
}

func (s *set) contains(text string) bool {
	if len(text) >= len(s.byLength) {
		return false
	}
	same := s.byLength[len(text)]
	if len(same) > manyOfOneLength {
		_, ok := s.byHash[text]
		return ok
	}
	for _, t := range same {
		if t == text {
			return true
		}
	}
	return false
}

func (s *set) matchText(text string, _ *Memo) bool { return s.contains(text) }
func (s *set) cost() int                           { return 5 }
