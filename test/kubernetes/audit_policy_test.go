package kubernetes

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/yaml"

	"fluent-bit-newterms/test/fluentbit"
)

// policy reads the audit policy, strictly.
func policy(t *testing.T) *auditv1.Policy {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, "audit/policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := &auditv1.Policy{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		t.Fatal(err)
	}
	if p.APIVersion != "audit.k8s.io/v1" || p.Kind != "Policy" {
		t.Fatalf("it is a %s of %s", p.Kind, p.APIVersion)
	}
	return p
}

// auditEvent is what a policy decides by.
type auditEvent struct {
	Stage      auditv1.Stage
	Verb       string
	RequestURI string
	User       struct {
		Username string
		Groups   []string
	}
	ObjectRef *struct{ Resource, Namespace, Name, APIGroup, Subresource string }
}

// level returns what a policy keeps of an event, as an API server decides:
// https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-policy
func level(p *auditv1.Policy, e *auditEvent) auditv1.Level {
	if slices.Contains(p.OmitStages, e.Stage) {
		return auditv1.LevelNone
	}
	for _, r := range p.Rules {
		if applies(&r, e) {
			return r.Level
		}
	}
	return auditv1.LevelNone
}

func applies(r *auditv1.PolicyRule, e *auditEvent) bool {
	one := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	if !one(r.Users, e.User.Username) || !one(r.Verbs, e.Verb) {
		return false
	}
	if len(r.UserGroups) > 0 && !slices.ContainsFunc(r.UserGroups, func(g string) bool { return slices.Contains(e.User.Groups, g) }) {
		return false
	}
	switch {
	case len(r.Resources) > 0 || len(r.Namespaces) > 0:
		return e.ObjectRef != nil && one(r.Namespaces, e.ObjectRef.Namespace) && slices.ContainsFunc(r.Resources, func(g auditv1.GroupResources) bool {
			name := e.ObjectRef.Resource
			if e.ObjectRef.Subresource != "" {
				name += "/" + e.ObjectRef.Subresource
			}
			return g.Group == e.ObjectRef.APIGroup && one(g.Resources, name) && one(g.ResourceNames, e.ObjectRef.Name)
		})
	case len(r.NonResourceURLs) > 0:
		path, _, _ := strings.Cut(e.RequestURI, "?")
		return e.ObjectRef == nil && slices.ContainsFunc(r.NonResourceURLs, func(glob string) bool {
			prefix, open := strings.CutSuffix(glob, "*")
			return path == glob || open && strings.HasPrefix(path, prefix)
		})
	}
	return true
}

// TestAuditPolicy applies the policy to the log of a cluster that keeps
// everything: less than 60 of a hundred events stay, and the rules find in
// them what they find in all.
func TestAuditPolicy(t *testing.T) {
	p := policy(t)
	all := fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz"))
	var kept []byte
	events, stay, started := 0, 0, 0
	for line := range bytes.Lines(all) {
		var e auditEvent
		var whole map[string]any
		if json.Unmarshal(line, &e) != nil || json.Unmarshal(line, &whole) != nil {
			t.Fatalf("not an event: %.100s", line)
		}
		events++
		l := level(p, &e)
		if l == auditv1.LevelNone {
			continue
		}
		stay++
		if e.Stage == auditv1.StageResponseStarted {
			started++
			if whole["annotations"].(map[string]any)["authorization.k8s.io/decision"] == nil {
				t.Errorf("no decision: %.200s", line)
			}
		}
		whole["level"] = string(l)
		delete(whole, "responseObject")
		if l == auditv1.LevelMetadata {
			delete(whole, "requestObject")
		}
		text, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(append(kept, text...), '\n')
	}
	t.Logf("%d of %d events stay, %d of %d bytes", stay, events, len(kept), len(all))
	if started == 0 {
		t.Error("watches and exec sessions leave no event until they end")
	}
	if stay == 0 || stay*100 > 60*events {
		t.Errorf("%d of %d events stay", stay, events)
	}
	dir := t.TempDir()
	whole, some := fluentbit.AuditLog(t, dir), filepath.Join(dir, "kept.log")
	if err := os.WriteFile(some, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := len(fluentbit.Replayed(t, fluentbit.Rules, whole)); n != fluentbit.SeedAlerts {
		t.Fatalf("%d alerts from the whole log", n)
	}
	fluentbit.Same(t, fluentbit.Replayed(t, fluentbit.Rules, some), fluentbit.Replayed(t, fluentbit.Rules, whole))

	ours, err := filepath.Glob(filepath.Join(fluentbit.Rules, "_pack/kubernetes/*.toml"))
	if err != nil || len(ours) == 0 {
		t.Fatal("our rules are not here")
	}
	for _, path := range ours {
		if !strings.HasSuffix(path, ".test.toml") {
			t.Run(filepath.Base(path), func(t *testing.T) {
				fluentbit.Same(t, fluentbit.Replayed(t, path, some), fluentbit.Replayed(t, path, whole))
			})
		}
	}
	public, err := filepath.Glob(filepath.Join(fluentbit.Root, "../shared/data/rules/*.toml"))
	if err != nil || len(public) == 0 {
		t.Skip("Elastic's rules are not here; the seed rule has been looked at")
	}
	for _, path := range public {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("logs-kubernetes.audit_logs")) {
			t.Run(filepath.Base(path), func(t *testing.T) {
				fluentbit.Same(t, fluentbit.Replayed(t, path, some), fluentbit.Replayed(t, path, whole))
			})
		}
	}
}

// webhookConfig is the form of a kubeconfig, as far as ours goes.
type webhookConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Clusters   []struct {
		Name    string `json:"name"`
		Cluster struct {
			Server               string `json:"server"`
			TLSServerName        string `json:"tls-server-name"`
			CertificateAuthority string `json:"certificate-authority"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string `json:"name"`
		User struct {
			ClientCertificate string `json:"client-certificate"`
			ClientKey         string `json:"client-key"`
		} `json:"user"`
	} `json:"users"`
	Contexts []struct {
		Name    string                         `json:"name"`
		Context struct{ Cluster, User string } `json:"context"`
	} `json:"contexts"`
	CurrentContext string `json:"current-context"`
}

// TestWebhookKubeconfig has the names in the webhook's kubeconfig lead from
// the current context to the aggregator.
func TestWebhookKubeconfig(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "audit/webhook-kubeconfig.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c webhookConfig
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Clusters) != 1 || len(c.Users) != 1 || len(c.Contexts) != 1 || c.APIVersion != "v1" || c.Kind != "Config" {
		t.Fatalf("%+v", c)
	}
	if x := c.Contexts[0]; x.Name != c.CurrentContext || x.Context.Cluster != c.Clusters[0].Name || x.Context.User != c.Users[0].Name {
		t.Errorf("the names do not fit: %+v", c)
	}
	cluster := c.Clusters[0].Cluster
	if !strings.HasPrefix(cluster.Server, "https://") || !strings.HasSuffix(cluster.Server, "/kube.audit") || cluster.TLSServerName != "newterms-aggregator.newterms-aggregator.svc" {
		t.Errorf("%+v", cluster)
	}
}
