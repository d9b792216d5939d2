package rule

import "strings"

// Suggest returns the name of allowed that word is most likely a misspelling
// of, or "".
func Suggest(word string, allowed []string) string {
	best, bestDistance := "", 0
	folded := strings.ToLower(word)
	for _, name := range allowed {
		// One slip in a short word, two from five letters on, three in
		// long ones. Of one or two letters nothing can be said.
		limit := 1
		switch {
		case len(name) < 3:
			continue
		case len(name) >= 12:
			limit = 3
		case len(name) >= 5:
			limit = 2
		}
		d := editDistance(folded, strings.ToLower(name))
		if strings.HasPrefix(name, folded) && len(folded) >= 4 {
			d = min(d, 1) // cut short: new_term
		}
		if d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove, change or swap with
// their neighbour to get from a to b (optimal string alignment).
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b)) // no misspelling of a key
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
