package rule

import "testing"

func TestSuggest(t *testing.T) {
	keys := []string{"query", "new_terms", "rule_id", "history_window_start", "index", "from", "interval", "tags", "s"}
	for word, want := range map[string]string{
		"qurey":                "query",
		"Query":                "query",
		"new_term":             "new_terms",
		"newterms":             "new_terms",
		"ruleid":               "rule_id",
		"histroy_window_start": "history_window_start",
		"form":                 "from",
		"tag":                  "tags",
		"interval_":            "interval",
		"hist":                 "history_window_start",
		"foo":                  "",
		"x":                    "",
		"":                     "",
	} {
		if got := Suggest(word, keys); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1},
		{"qurey", "query", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := editDistance(c.b, c.a); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
