package record

// Snake returns a name in snake case: userAgent is user_agent, and IPAddress
// ip_address. A name that is in it already stays as it is.
func Snake(name string) string { return string(appendSnake(nil, name)) }

func appendSnake(dst []byte, name string) []byte {
	upper := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		c := name[i]
		if upper(i) {
			if i > 0 && name[i-1] != '_' && (!upper(i-1) || i+1 < len(name) && !upper(i+1) && name[i+1] >= 'a' && name[i+1] <= 'z') {
				dst = append(dst, '_')
			}
			c |= 0x20
		}
		if c == ' ' || c == '-' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// SnakeBelow makes the names in the map at path, and in all that is below it,
// count as what they are in snake case. Ask for what is in it that way; names
// that are asked for in another case are turned into it.
func (l *Layout) SnakeBelow(path ...string) {
	l.at(path).makeSnake()
}

func (n *node) makeSnake() {
	n.snake = true
	for i, c := range n.children {
		n.children[i] = newChild(Snake(c.name), c.node)
		c.node.makeSnake()
	}
	n.rebuild()
	n.settle()
}

// snaked returns the node for a key of a map whose names count in snake case.
func (n *node) snaked(key string) *node {
	var buf [64]byte
	name := appendSnake(buf[:0], key)
	return n.step(view(name))
}
