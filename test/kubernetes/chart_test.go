package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
)

// renderChart renders our chart, and decodes it strictly.
func renderChart(t *testing.T, values map[string]any) (set *appsv1.DaemonSet, configs map[string]map[string]string) {
	t.Helper()
	chart, err := loader.Load(filepath.Join(manifests, "chart"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "newterms", Namespace: "newterms"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	configs = map[string]map[string]string{}
	for name, text := range files {
		for _, part := range strings.Split(text, "\n---\n") {
			object, _, err := strict.Decode([]byte(part), nil, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, part)
			}
			switch o := object.(type) {
			case *appsv1.DaemonSet:
				set = o
			case *corev1.ConfigMap:
				configs[o.Name] = o.Data
			}
		}
	}
	if set == nil || len(configs) != 2 {
		t.Fatalf("the chart makes %v and %d ConfigMaps", set, len(configs))
	}
	return set, configs
}

// TestChart has our chart make of its own values what kustomize makes of base:
// the same pod, with the same files.
func TestChart(t *testing.T) {
	set, configs := renderChart(t, nil)
	r := render(t, "base")
	var base *appsv1.DaemonSet
	for _, object := range r.objects {
		if o, ok := object.(*appsv1.DaemonSet); ok {
			base = o.DeepCopy()
		}
	}
	for i, v := range base.Spec.Template.Spec.Volumes { // kustomize adds a hash
		if v.ConfigMap != nil {
			base.Spec.Template.Spec.Volumes[i].ConfigMap.Name = v.ConfigMap.Name[:strings.LastIndex(v.ConfigMap.Name, "-")]
		}
	}
	have, want := set.Spec.Template.Spec.Containers[0].Env, base.Spec.Template.Spec.Containers[0].Env
	if !equality.Semantic.DeepEqual(have, want) {
		t.Errorf("env is %+v\nin base  %+v", have, want)
	}
	if !equality.Semantic.DeepEqual(set.Spec.Template.Spec, base.Spec.Template.Spec) {
		t.Errorf("the pod is %+v\nin base  %+v", set.Spec.Template.Spec, base.Spec.Template.Spec)
	}
	if !equality.Semantic.DeepEqual(set.Spec.Selector, base.Spec.Selector) || !equality.Semantic.DeepEqual(set.Spec.UpdateStrategy, base.Spec.UpdateStrategy) {
		t.Errorf("the set is %+v\nin base %+v", set.Spec, base.Spec)
	}
	for name, files := range configs {
		for file, text := range r.config(t, name) {
			if strings.TrimSpace(files[file]) != strings.TrimSpace(text) {
				t.Errorf("%s of %s is not base's", file, name)
			}
		}
	}
}

// TestChartValues sets values of the chart.
func TestChartValues(t *testing.T) {
	rule, err := os.ReadFile(filepath.Join(manifests, "../rules/_pack/kubernetes/kubernetes_secret_read.toml"))
	if err != nil {
		t.Fatal(err)
	}
	set, configs := renderChart(t, map[string]any{
		"image":       map[string]any{"repository": "mine.example/newterms", "tag": "7"},
		"stateStore":  map[string]any{"secretName": "newterms-store"},
		"rules":       map[string]any{"secrets.toml": string(rule)},
		"shippedRule": false, "auditFolder": "/srv/audit",
	})
	c := set.Spec.Template.Spec.Containers[0]
	if c.Image != "mine.example/newterms:7" {
		t.Errorf("the image is %s", c.Image)
	}
	store := c.Env[len(c.Env)-1]
	if store.Name != "STATE_STORE" || store.Value != "" || store.ValueFrom == nil || store.ValueFrom.SecretKeyRef.Name != "newterms-store" {
		t.Errorf("the store is %+v", store)
	}
	if rules := configs["newterms-rules"]; len(rules) != 1 || strings.TrimSpace(rules["secrets.toml"]) != strings.TrimSpace(string(rule)) {
		t.Errorf("the rules are %+v", rules)
	}
	found := false
	for _, v := range set.Spec.Template.Spec.Volumes {
		found = found || v.HostPath != nil && v.HostPath.Path == "/srv/audit"
	}
	if !found {
		t.Error("the audit log's folder is not mounted")
	}
}
