package record

// Each calls fn with the bytes of every element of the array b, in order, or
// with b itself if it is no array. It stops when fn returns false, and returns
// false if b is broken; elements before the break have been seen.
func (f Format) Each(b []byte, fn func(element []byte) bool) bool {
	if f == JSON {
		return eachJSON(b, fn)
	}
	n, i, isMap := container(b, 0)
	if i < 0 || isMap {
		if skip(b, 0) < 0 {
			return false
		}
		fn(b)
		return true
	}
	for ; n > 0; n-- {
		end := skip(b, i)
		if end < 0 {
			return false
		}
		if !fn(b[i:end]) {
			return true
		}
		i = end
	}
	return true
}

func eachJSON(b []byte, fn func(element []byte) bool) bool {
	i := space(b, 0)
	if i >= len(b) || b[i] != '[' {
		fn(b)
		return true
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return true
	}
	for {
		end := skipJSON(b, i)
		if end < 0 {
			return false
		}
		if !fn(b[i:end]) {
			return true
		}
		if i = after(b, end, ']'); i < 0 {
			return false
		}
		if b[i-1] == ']' {
			return true
		}
		i = space(b, i)
	}
}
