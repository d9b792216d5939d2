package rule

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"fluent-bit-newterms/detector/kql"
)

// failQuery reports a query that does not parse, at the place in the file
// where the parser stopped.
func (r *reader) failQuery(field string, err error) {
	var parseErr *kql.ParseError
	if !errors.As(err, &parseErr) {
		r.fail(field, "", "%s: %v", field, err)
		return
	}
	msg := parseErr.Found
	if parseErr.Expected != "" {
		msg = "expected " + parseErr.Expected + ", found " + msg
	}
	r.failAt(r.doc.InString(field, parseErr.Offset), field, r.inFile(field, parseErr.Hint), "%s: %s", field, msg)
}

var placeInQuery = regexp.MustCompile(`line (\d+), column (\d+)`)

// inFile turns the places in the query that a hint names into places in the
// file, as the error's own is.
func (r *reader) inFile(field, hint string) string {
	return placeInQuery.ReplaceAllStringFunc(hint, func(found string) string {
		numbers := placeInQuery.FindStringSubmatch(found)
		line, _ := strconv.Atoi(numbers[1])
		column, _ := strconv.Atoi(numbers[2])
		at := r.doc.InString(field, queryOffset(r.query, line, column))
		return fmt.Sprintf("line %d, column %d", at.Line, at.Column)
	})
}

// queryOffset returns the byte offset of a line and column, both from 1.
func queryOffset(query string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(query[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	for ; column > 1 && offset < len(query); column-- {
		_, size := utf8.DecodeRuneInString(query[offset:])
		offset += size
	}
	return offset
}

// lintQuery warns of what is KQL and hardly meant.
func (r *reader) lintQuery(field string, query kql.Node) {
	for _, w := range kql.Warnings(query) {
		r.warn(field, w.Hint, "%s: %s", field, w.Msg)
	}
}
