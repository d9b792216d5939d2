package kql

import (
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep parentheses, braces and nots may be nested, so
// that no query can exhaust the stack.
const maxDepth = 500

// What could stand at a place, as errors say it.
const (
	expectQuery = `a field name, a value, "not" or "("`
	expectValue = `a value or "("`
	expectJoin  = `"and", "or" or end of query`
)

// Parse reads a query. The empty query is All. The error, if any, is a
// *ParseError.
//
// The grammar is Kibana's, with two differences, both in favour of what its
// documentation says: \not is an escaped keyword where a line feed and "ot"
// makes no sense, and the letters not within a word are part of the word.
func Parse(query string) (Node, error) {
	p := &parser{src: query}
	return p.parse()
}

func (p *parser) parse() (Node, error) {
	query := p.src
	if !utf8.ValidString(query) {
		p.pos = invalidUTF8(query)
		return nil, p.errorAt(p.pos, "", "write the query in UTF-8").because("the query is not valid UTF-8")
	}
	p.space()
	if p.done() {
		return All{}, nil
	}
	n, err := p.or(p.query)
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.done() {
		return nil, p.errorAt(p.pos, expectJoin, p.hint())
	}
	return n, nil
}

func (e *ParseError) because(found string) *ParseError {
	e.Found = found
	return e
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}

// A parser is a recursive descent over the query. Its methods leave pos
// behind what they read; white space before a part is its caller's to skip,
// that behind it is left.
type parser struct {
	src   string
	pos   int
	depth int
	// opened holds the offsets of the parentheses and braces that are open.
	opened []int
	// leaves holds the offset of the value of each condition, in the order in
	// which Walk visits them.
	leaves []int
	// last is the unquoted literal read last, for hints.
	last string
}

func (p *parser) done() bool { return p.pos == len(p.src) }

func (p *parser) space() { p.pos = skipSpace(p.src, p.pos) }

// peek returns the byte at pos, 0 at the end.
func (p *parser) peek() byte {
	if p.done() {
		return 0
	}
	return p.src[p.pos]
}

// eat moves past c, if it is there.
func (p *parser) eat(c byte) bool {
	if p.peek() != c || p.done() {
		return false
	}
	p.pos++
	return true
}

// join moves past white space, a keyword and white space, if they are there.
func (p *parser) join(keyword string) bool {
	at := skipSpace(p.src, p.pos)
	if at == p.pos && !p.afterSpace() || keywordAt(p.src, at) != keyword {
		return false
	}
	p.pos = skipSpace(p.src, at+len(keyword))
	return true
}

// afterSpace reports whether white space stands before pos: an unquoted
// literal takes it along.
func (p *parser) afterSpace() bool {
	r, _ := utf8.DecodeLastRuneInString(p.src[:p.pos])
	return p.pos > 0 && isSpace(r)
}

// or reads operands joined by or, of operands joined by and, of operands
// with not before them. What an operand is, differs: a query, or within
// field: ( ) a value.
func (p *parser) or(operand func() (Node, error)) (Node, error) {
	nodes, err := p.joined("or", func() (Node, error) { return p.and(operand) })
	if err != nil || len(nodes) == 1 {
		return first(nodes), err
	}
	return Or{Nodes: nodes}, nil
}

func (p *parser) and(operand func() (Node, error)) (Node, error) {
	nodes, err := p.joined("and", func() (Node, error) { return p.not(operand) })
	if err != nil || len(nodes) == 1 {
		return first(nodes), err
	}
	return And{Nodes: nodes}, nil
}

func (p *parser) not(operand func() (Node, error)) (Node, error) {
	if keywordAt(p.src, p.pos) != "not" {
		return operand()
	}
	p.pos = skipSpace(p.src, p.pos+len("not"))
	n, err := operand()
	if err != nil {
		return nil, err
	}
	return Not{Node: n}, nil
}

func (p *parser) joined(keyword string, operand func() (Node, error)) ([]Node, error) {
	var nodes []Node
	for {
		n, err := operand()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if !p.join(keyword) {
			return nodes, nil
		}
	}
}

func first(nodes []Node) Node {
	if len(nodes) == 0 {
		return nil
	}
	return nodes[0]
}

// query reads what stands between ands and ors: (query), field: value,
// field: (values), field < value, path: { query }, value.
func (p *parser) query() (Node, error) {
	if p.peek() == '(' {
		return p.enclosed('(', ')', p.query)
	}
	start := p.pos
	lit, err := p.literal(expectQuery)
	if err != nil {
		return nil, err
	}
	p.space()
	switch p.peek() {
	case ':':
		return p.afterColon(start, lit)
	case '<', '>':
		return p.comparison(start, lit)
	}
	if lit.IsExists() {
		// A lone * finds every record.
		return All{}, nil
	}
	p.leaves = append(p.leaves, start)
	return Match{Value: lit}, nil
}

func (p *parser) afterColon(start int, lit Literal) (Node, error) {
	p.pos++
	p.space()
	field, err := p.fieldName(start, lit)
	if err != nil {
		return nil, err
	}
	if p.peek() == '{' {
		if field.IsPattern() {
			return nil, p.errorAt(start, "the name of a nested field", "wildcards cannot stand before { }")
		}
		brace := p.pos
		n, err := p.enclosed('{', '}', p.query)
		if err != nil {
			return nil, err
		}
		if m, ok := n.(Match); ok && m.Field.IsBare() && isLuceneRange(p.src[brace:p.pos]) {
			return nil, p.errorAt(brace, "a query between { and }", hintRange)
		}
		return Nested{Path: field.Name, Node: n}, nil
	}
	return p.values(field)()
}

// values reads a value of field, or (values).
func (p *parser) values(field FieldName) func() (Node, error) {
	var operand func() (Node, error)
	operand = func() (Node, error) {
		if p.peek() == '(' {
			return p.enclosed('(', ')', operand)
		}
		start := p.pos
		lit, err := p.literal(expectValue)
		if err != nil {
			return nil, err
		}
		if !lit.Quoted && isLuceneRange(lit.Text) {
			return nil, p.errorAt(start, expectValue, hintRange)
		}
		if lit.IsExists() && len(field.Parts) == 2 && field.Name == "*" {
			return All{}, nil
		}
		p.leaves = append(p.leaves, start)
		return Match{Field: field, Value: lit}, nil
	}
	return operand
}

func (p *parser) comparison(start int, lit Literal) (Node, error) {
	field, err := p.fieldName(start, lit)
	if err != nil {
		return nil, err
	}
	op := Lt
	if p.peek() == '>' {
		op = Gt
	}
	p.pos++
	if p.eat('=') {
		op++ // Lte follows Lt, and Gte Gt
	}
	p.space()
	valueStart := p.pos
	value, err := p.literal("a value")
	if err != nil {
		return nil, err
	}
	if value.IsWildcard() {
		return nil, p.errorAt(valueStart, "a value without wildcards", "to ask only whether the field is there write field: *")
	}
	p.leaves = append(p.leaves, valueStart)
	return Range{Field: field, Op: op, Value: value}, nil
}

func (p *parser) fieldName(start int, lit Literal) (FieldName, error) {
	if lit.Text == "" {
		return FieldName{}, p.errorAt(start, "a field name", "a field name cannot be empty")
	}
	return FieldName{Name: lit.Text, Parts: lit.Parts}, nil
}

// enclosed reads operands between an opening and a closing character.
func (p *parser) enclosed(open, closing byte, operand func() (Node, error)) (Node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorAt(p.pos, "", "write the query with fewer parentheses").because("the query is nested too deep")
	}
	p.opened = append(p.opened, p.pos)
	p.pos++
	p.space()
	n, err := p.or(operand)
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.eat(closing) {
		return nil, p.errorAt(p.pos, `"`+string(closing)+`"`, p.hint())
	}
	p.opened = p.opened[:len(p.opened)-1]
	p.depth--
	return n, nil
}

// literal reads a quoted or an unquoted literal.
func (p *parser) literal(expected string) (Literal, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	return p.unquoted(expected)
}

func (p *parser) quoted() (Literal, error) {
	start := p.pos
	var text strings.Builder
	for i := start + 1; i < len(p.src); {
		switch p.src[i] {
		case '"':
			p.pos = i + 1
			p.last = ""
			return Quoted(text.String()), nil
		case '\\':
			s, n := escapeQuoted(p.src[i:])
			text.WriteString(s)
			i += n
		default:
			text.WriteByte(p.src[i])
			i++
		}
	}
	p.pos = len(p.src)
	return Literal{}, p.errorAt(p.pos, `a closing "`, p.hintQuote(start))
}

// unquoted reads up to the next special character, or keyword with white
// space around it.
func (p *parser) unquoted(expected string) (Literal, error) {
	start := p.pos
	var text strings.Builder
	var parts []string
	boundary := true // a word can begin here
	for !p.done() {
		rest := p.src[p.pos:]
		r, size := utf8.DecodeRuneInString(rest)
		if r == '\\' {
			s, n := escape(rest)
			if n == 0 {
				return Literal{}, p.errorAt(p.pos, "an escaped character", `write \\ for a backslash, or put the value in quotes`)
			}
			text.WriteString(s)
			p.pos += n
			boundary = false
			continue
		}
		if r == '*' {
			parts = append(parts, text.String())
			text.Reset()
			p.pos++
			boundary = false
			continue
		}
		if strings.ContainsRune(specials, r) {
			break
		}
		if word := keywordAt(p.src, p.pos); boundary && (word == "not" || word != "" && p.pos > start) {
			break
		}
		text.WriteRune(r)
		p.pos += size
		boundary = isSpace(r)
	}
	if p.pos == start {
		return Literal{}, p.errorAt(p.pos, expected, p.hint())
	}
	p.last = p.src[start:p.pos]
	return unquotedLiteral(append(parts, text.String())), nil
}

// unquotedLiteral trims the ends and joins the runs.
func unquotedLiteral(runs []string) Literal {
	last := len(runs) - 1
	runs[0] = strings.TrimLeftFunc(runs[0], isTrimmed)
	runs[last] = strings.TrimRightFunc(runs[last], isTrimmed)
	if last == 0 {
		// What was nothing but escaped white space is the empty string,
		// which only quotes can write.
		return Literal{Text: runs[0], Quoted: runs[0] == ""}
	}
	return Literal{Text: strings.Join(runs, "*"), Parts: runs}
}
