package main

import "testing"

func TestTurns(t *testing.T) {
	const o, i = outputKind, inputKind
	const end = kind(-1) // any callback but FLBPluginRegister
	tests := []struct {
		name  string
		calls []kind
	}{
		{"listed twice", []kind{o, i, end}},
		{"listed once", []kind{o, end}},
		{"listed twice, reloaded twice", []kind{o, i, end, o, i, end, end, o, i, end}},
		{"listed once, reloaded twice", []kind{o, end, o, end, end, o, end}},
		{"listed once more after a reload", []kind{o, end, o, i, end}},
		{"a reload given up after its first line", []kind{o, i, end, o, end, o, i, end}},
		{"listed four times", []kind{o, i, o, i, end}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var turns turns
			for at, want := range test.calls {
				if want == end {
					turns.end()
				} else if got := turns.take(); got != want {
					t.Fatalf("call %d registers %v, want %v", at, got, want)
				}
			}
		})
	}
}
