package sink

// lines is a batch of alerts as text, a JSON object a line.
type lines struct {
	text []byte
	ends []int // where each line ends in text
	// torn is set while what was written last is half a line: the next batch
	// begins with a newline, so that it is not spoilt.
	torn bool
}

// fill takes records in.
func (l *lines) fill(records []Record) {
	l.text, l.ends = l.text[:0], l.ends[:0]
	if l.torn {
		l.text = append(l.text, '\n')
	}
	for i := range records {
		l.text = append(append(l.text, records[i].Body...), '\n')
		l.ends = append(l.ends, len(l.text))
	}
}

// written says that the first n bytes are out, and returns how many records
// are in them whole.
func (l *lines) written(n int) (whole int) {
	for whole < len(l.ends) && l.ends[whole] <= n {
		whole++
	}
	if n > 0 {
		l.torn = l.text[n-1] != '\n'
	}
	return whole
}
