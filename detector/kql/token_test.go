package kql

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The words are those that Elasticsearch's standard analyzer gives, from its
// documentation and Unicode Standard Annex 29.
func TestTokens(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{" -!?\n", nil},
		{"The 2 QUICK Brown-Foxes jumped over the lazy dog's bone.", []string{"the", "2", "quick", "brown", "foxes", "jumped", "over", "the", "lazy", "dog's", "bone"}},
		{"10.0.0.1 3,14 1;2 1:2", []string{"10.0.0.1", "3,14", "1;2", "1", "2"}},
		{"a.b a,b a;b a:b a.1 1.a", []string{"a.b", "a", "b", "a", "b", "a:b", "a", "1", "1", "a"}},
		{"a..b 'quoted' it''s", []string{"a", "b", "quoted", "it", "s"}},
		{"snake_case _x_ __ 1_000", []string{"snake_case", "_x_", "1_000"}},
		{"system:serviceaccount:kube-system:coredns", []string{"system:serviceaccount:kube", "system:coredns"}},
		{"docker.io/library/nginx:1.25@sha256:abc", []string{"docker.io", "library", "nginx", "1.25", "sha256", "abc"}},
		{"e\u0301te\u0301 na\u00efve", []string{"e\u0301te\u0301", "na\u00efve"}},
		{"漢字かな カタカナ 한국어", []string{"漢", "字", "か", "な", "カタカナ", "한국어"}},
		{"ÀÉ straße ΣΑΣ", []string{"àé", "straße", "σασ"}},
		{"a\xffb", []string{"a", "b"}},
		{strings.Repeat("x", 600), []string{strings.Repeat("x", 255), strings.Repeat("x", 255), strings.Repeat("x", 90)}},
	}
	for _, test := range tests {
		if got := tokens(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// TestTokensOracle compares with a full implementation of Unicode's rules.
func TestTokensOracle(t *testing.T) {
	runes := []rune("abZ019.,;:'_- /é\u0301\u2019\u3042漢カ한ж٣\u203f\u00ad")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom(runes), 0, 12, -1).Draw(t, "text")
		if got, want := tokens(s), wordsOf(s); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, the oracle says %q", s, got, want)
		}
	})
}

// TestParseAddressOracle compares with net/netip.
func TestParseAddressOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkAddress(t, rapid.StringOfN(rapid.RuneFrom([]rune("0123af:::..")), 0, 20, -1).Draw(t, "text"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var b [16]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		checkAddress(t, netip.AddrFrom16(b).String())
		checkAddress(t, netip.AddrFrom4([4]byte(b[:4])).String())
		checkAddress(t, netip.AddrFrom16(b).StringExpanded())
	})
}

type fataler interface{ Fatalf(string, ...any) }

func checkAddress(t fataler, s string) {
	got, ok := parseAddress(s)
	want, err := netip.ParseAddr(s)
	if ok != (err == nil && want.Zone() == "") {
		t.Fatalf("%q: address %t, netip says %v", s, ok, err)
	}
	if ok && got != addressOf(want) {
		t.Fatalf("%q: got %x, netip says %v", s, got, want)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "::", "::1", "1::", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4", "fe80::1%eth0", "01.2.3.4", "1.2.3.256"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) { checkAddress(t, s) })
}
