package normalize

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func kubernetesSet(t interface{ Fatal(...any) }) *Set {
	s, err := Load([]string{"kubernetes"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShow shows what each step takes out, and what it leaves.
func TestShow(t *testing.T) {
	for _, test := range []struct{ steps, term, want string }{
		{"dates versions hashes", "kubectl/v1.35.0 (linux/amd64) kubernetes/6645204", "kubectl/* (linux/amd64) kubernetes/*"},
		{"dates versions hashes", "kubelet/v1.35.0-rc.1 (linux/arm64) kubernetes/$Format", "kubelet/* (linux/arm64) kubernetes/$Format"},
		{"dates versions hashes", "kube-controller-manager/v1.35.0 (linux/amd64) kubernetes/6645204/system:serviceaccount:kube-system:cronjob-controller",
			"kube-controller-manager/* (linux/amd64) kubernetes/*/system:serviceaccount:kube-system:cronjob-controller"},
		{"dates versions hashes", "kubelet/v1.31.4+k3s1 (linux/amd64) kubernetes/a562d09", "kubelet/* (linux/amd64) kubernetes/*"},
		{"dates versions hashes", "kubelet/v1.30.2-gke.1023000", "kubelet/*"},
		{"dates versions hashes", "curl/8.5.0", "curl/*"},
		{"dates versions hashes", "curl/8.5.0 STOLEN-token", "curl/* STOLEN-token"},
		{"dates versions hashes", "curl/8.5.0-STOLEN", "curl/*-STOLEN"},
		{"dates versions hashes", "Go-http-client/2.0", "Go-http-client/*"},
		{"dates versions hashes", "aws-sdk-go/1.44.9 (go1.19.3; linux; amd64)", "aws-sdk-go/* (*; linux; amd64)"},
		{"dates versions hashes", "agent built 2026-11-28T10:11:12Z at 20261128", "agent built * at *"},
		{"dates versions hashes", "x86_64 facade1word utf8", "x86_64 facade1word utf8"},
		{"dates versions hashes", "evil/1", "evil/1"},
		{"uuid runs generated", "system:serviceaccount:ci-8f3a91:default", "system:serviceaccount:ci-*:default"},
		{"uuid runs generated", "system:serviceaccount:citizen:default", "system:serviceaccount:citizen:default"},
		{"uuid runs generated", "web-7d9f8c6b5-x2x4z", "web-*"},
		{"uuid runs generated", "web-7d9f8c6b5", "web-*"},
		{"uuid runs generated", "backup-29388240-6w2kd", "backup-*"},
		{"uuid runs generated", "kube-proxy", "kube-proxy"},
		{"uuid runs generated", "system:node:node-12", "system:node:node-12"},
		{"uuid", "pvc-6f1c3e0a-9d1e-4b6b-9a55-0d6c3b1f2a77", "pvc-*"},
		{"numbers", "node-12-a3", "node-*-a*"},
		{"network/24", "10.1.2.3", "10.1.2.*"},
		{"network/16", "10.1.2.3", "10.1.*"},
		{"network/24", "2001:db8::1:2", "2001:db8:*"},
		{"network/24", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1:*"},
		{"network/24", "host", "host"},
		{"domain", "a.b.example.co.uk", "*.example.co.uk"},
		{"domain", "example.com", "example.com"},
	} {
		var list []any
		for _, s := range strings.Fields(test.steps) {
			list = append(list, s)
		}
		set, err := New(map[string]any{"f": list})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Field("f").Show(test.term); got != test.want {
			t.Errorf("%s: %q becomes %q, want %q", test.steps, test.term, got, test.want)
		}
	}
}

// TestForms: whatever a term holds, its form and its parts are the term again,
// so two terms with one form differ in their parts only; and a form is its own
// form, so nobody gets a variant by writing the form itself.
func TestForms(t *testing.T) {
	set := kubernetesSet(t)
	word := rapid.OneOf(
		rapid.StringMatching(`v?\d{1,3}\.\d{1,3}(\.\d{1,3})?(-rc\.\d)?`), rapid.StringMatching(`[0-9a-f]{5,12}`),
		rapid.StringMatching(`[a-z]{1,8}`), rapid.SampledFrom([]string{"/", " ", "-", ":", "(", ")", "*", "\x00", "\x00v", "ci-", "é", "\xff"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		term := strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), "")
		for _, field := range set.Fields() {
			n := set.Field(field)
			form, parts := n.Split(term)
			if back := Join(form, parts); back != term {
				t.Fatalf("%s: %q has the form %q and the parts %v, which make %q", field, term, form, parts, back)
			}
			if again, _ := n.Split(form); again != form {
				t.Fatalf("%s: the form %q of %q has the form %q", field, form, term, again)
			}
			if len(parts) > 0 && form == n.Show(term) {
				t.Fatalf("%s: a term can be written that is the form of %q", field, term)
			}
		}
	})
}

// TestAttackersForm: a term that looks like a form as people read it has a form
// of its own.
func TestAttackersForm(t *testing.T) {
	n := kubernetesSet(t).Field("user_agent.original")
	form, _ := n.Split("kubectl/v1.35.0 (linux/amd64) kubernetes/6645204")
	for _, term := range []string{
		"kubectl/* (linux/amd64) kubernetes/*", form, "kubectl/6645204 (linux/amd64) kubernetes/v1.35.0",
		"kubectl/v1.35.0 (linux/amd64) kubernetes/6645204 ", "kubectl/v1.35.0-mallory (linux/amd64) kubernetes/6645204",
	} {
		if got, parts := n.Split(term); got == form && len(parts) > 0 {
			t.Errorf("%q has the form of kubectl", term)
		}
	}
}

func TestCompare(t *testing.T) {
	version := func(list ...string) (parts []Part) {
		for _, v := range list {
			parts = append(parts, Part{kindVersion, v})
		}
		return parts
	}
	for _, test := range []struct {
		part  string
		known []string
		want  Change
	}{
		{"v1.35.1", []string{"v1.35.0"}, Newer},
		{"v1.34.9", []string{"v1.35.0"}, Older},
		{"v1.34.9", []string{"v1.35.0", "v1.34.2"}, Newer},
		{"v1.9.0", []string{"v1.10.0"}, Older},
		{"v1.35.0-rc.1", []string{"v1.34.0-rc.2"}, Newer},
		{"v1.35.0-rc.1", []string{"v1.35.0"}, Odd},
		{"v1.35", []string{"v1.35.0"}, Odd},
		{"1.36.0", []string{"v1.35.0"}, Odd},
		{"v1.36.0", nil, Newer},
	} {
		if got := Compare(Part{kindVersion, test.part}, version(test.known...)); got != test.want {
			t.Errorf("%s after %v: %d, want %d", test.part, test.known, got, test.want)
		}
	}
	if got := Compare(Part{kindHash, strings.Repeat("a1", 20)}, []Part{{kindHash, "6645204"}}); got != Odd {
		t.Errorf("a hash of another length: %d, want %d", got, Odd)
	}
	if compareVersions("v1.35.0-rc.1", "v1.35.0") >= 0 {
		t.Error("a pre-release does not come before its release")
	}
}

func TestLoad(t *testing.T) {
	files := map[string]string{
		"own.toml":     "[normalize]\nuser_agent.original = [\"numbers\"]\n\"user.name\" = [{ match = 'x[0-9]+', replace = \"x*\" }]\n",
		"step.toml":    "[normalize]\nuser.name = [\"version\"]\n",
		"regexp.toml":  "[normalize]\nuser.name = [{ match = '(', replace = \"\" }]\n",
		"empty.toml":   "[normalize]\nuser.name = [{ match = 'a*', replace = \"\" }]\n",
		"key.toml":     "[normalise]\nuser.name = [\"versions\"]\n",
		"syntax.toml":  "[normalize]\nuser.name = [\n",
		"nothing.toml": "",
	}
	read := func(path string) ([]byte, error) { return []byte(files[path]), nil }
	set, err := Load([]string{"kubernetes", "own.toml"}, read)
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Field("user.name").Show("x12"); got != "x*" {
		t.Errorf("the file's steps do not count: %q", got)
	}
	for name, want := range map[string]string{
		"step.toml": `there is no step "version"`, "regexp.toml": "not a regular expression", "empty.toml": "matches an empty text",
		"key.toml": "unknown key", "syntax.toml": "syntax.toml:2", "nothing.toml": "no table", "kubernets": `no set "kubernets"`,
	} {
		if _, err := Load([]string{name}, read); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if off, err := Load([]string{"off"}, read); err != nil || off.Field("user.name") != nil {
		t.Errorf("off: %v, %v", off, err)
	}
	a, b := set.Fingerprint([]string{"user.name"}), kubernetesSet(t).Fingerprint([]string{"user.name"})
	if a == b || a == "" {
		t.Errorf("fingerprints %q and %q", a, b)
	}
}
