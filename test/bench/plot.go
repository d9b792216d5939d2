package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// plot is a chart of some series over the same axes.
type plot struct {
	title, x, y string
	logX        bool
	lines       []series
}

// The drawing, in pixels. Colours are told apart by people who see few of them.
const (
	width, height            = 720, 400
	left, right, top, bottom = 70, 40, 50, 60
)

var colours = []string{"#0072b2", "#d55e00", "#009e73"}

// write draws the plot as SVG.
func (p *plot) write(path string) error {
	minX, maxX, maxY := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range p.lines {
		for _, pt := range s.points {
			minX, maxX, maxY = min(minX, pt.x), max(maxX, pt.x), max(maxY, pt.y)
		}
	}
	yStep := step(maxY)
	maxY = math.Ceil(maxY/yStep*1.02) * yStep
	place := func(x float64) float64 { return x }
	if p.logX {
		place = math.Log10
	} else {
		minX = min(minX, 0)
	}
	atX := func(x float64) float64 {
		return left + (place(x)-place(minX))/(place(maxX)-place(minX))*(width-left-right)
	}
	atY := func(y float64) float64 { return height - bottom - y/maxY*(height-top-bottom) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>`+"\n", left, html.EscapeString(p.title))
	for y := 0.0; y <= maxY+yStep/2; y += yStep {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, width-right, atY(y), atY(y), left-8, atY(y)+4, number(y))
	}
	for _, x := range p.ticks(minX, maxX) {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#999"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			atX(x), atX(x), height-bottom, height-bottom+5, atX(x), height-bottom+20, number(x))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-16, html.EscapeString(p.x))
	fmt.Fprintf(&b, `<text x="18" y="%d" text-anchor="middle" transform="rotate(-90 18 %d)">%s</text>`+"\n", (top+height-bottom)/2, (top+height-bottom)/2, html.EscapeString(p.y))
	for i, s := range p.lines {
		colour := colours[i%len(colours)]
		var path strings.Builder
		for k, pt := range s.points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], atX(pt.x), atY(pt.y))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), colour)
		if len(s.points) < 20 {
			for _, pt := range s.points {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s: %s</title></circle>`+"\n",
					atX(pt.x), atY(pt.y), colour, number(pt.x), number(pt.y))
			}
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+10, top+14+16*i, colour, html.EscapeString(s.name))
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// ticks returns where the x axis is marked: a logarithmic one at the points, any
// other at round numbers.
func (p *plot) ticks(from, to float64) (ticks []float64) {
	if p.logX {
		for _, pt := range p.lines[0].points {
			ticks = append(ticks, pt.x)
		}
		return ticks
	}
	s := step(to - from)
	for x := from; x <= to; x += s {
		ticks = append(ticks, x)
	}
	return ticks
}

// step returns a round number that is about a fifth of a range.
func step(span float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(span/5)))
	for _, k := range []float64{1, 2, 5} {
		if span/(k*unit) <= 6 {
			return k * unit
		}
	}
	return 10 * unit
}

// number writes a number shortly, with commas for thousands.
func number(x float64) string {
	if x < 10 && x != math.Trunc(x) {
		return fmt.Sprintf("%.1f", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// drawAll measures and draws all plots but the soak's.
func drawAll() error {
	l, err := readLog(auditLog)
	if err != nil {
		return err
	}
	b := &bench{log: l}
	raw, ecs, err := b.byRules(2 * time.Second)
	if err != nil {
		return err
	}
	known, err := b.byTuples()
	if err != nil {
		return err
	}
	ours, skip, err := b.bySize()
	if err != nil {
		return err
	}
	for name, p := range map[string]*plot{
		"rules.svg":  {title: "A record's cost, by rules loaded", x: "rules", y: "ns a record", logX: true, lines: []series{raw, ecs}},
		"tuples.svg": {title: "A record's cost, by tuples known (each record with another)", x: "known tuples", y: "ns a record", logX: true, lines: []series{known}},
		"size.svg":   {title: "A record's cost, by its size", x: "bytes of msgpack", y: "ns a record", lines: []series{ours, skip}},
	} {
		if err := p.write(filepath.Join(plots, name)); err != nil {
			return err
		}
		for _, s := range p.lines {
			fmt.Printf("%-11s %-22s %v\n", name, s.name, s.points)
		}
	}
	return nil
}
