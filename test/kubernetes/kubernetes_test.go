package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"fluent-bit-newterms/test/fluentbit"
)

var manifests = filepath.Join(fluentbit.Root, "conf/kubernetes")

// rendered is what kubectl would apply, decoded strictly: a field that the
// Kubernetes API does not have is an error.
type rendered struct {
	objects []runtime.Object
	// The namespaces that it makes, and those that its objects are in.
	namespaces, used []string
	configs          map[string]map[string]string // by name of the ConfigMap, then of the file
}

// render renders a kustomization.
func render(t *testing.T, dir string) rendered {
	t.Helper()
	out, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(manifests, dir))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	r := rendered{configs: map[string]map[string]string{}}
	for _, res := range out.Resources() {
		text, err := res.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := strict.Decode(text, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", res.CurId(), err)
		}
		r.objects = append(r.objects, object)
		if config, ok := object.(*corev1.ConfigMap); ok {
			r.configs[config.Name] = config.Data
		}
		if res.GetKind() == "Namespace" {
			r.namespaces = append(r.namespaces, res.GetName())
		} else {
			r.used = append(r.used, res.GetNamespace())
		}
	}
	slices.Sort(r.used)
	if r.used = slices.Compact(r.used); !slices.Equal(r.used, r.namespaces) {
		t.Errorf("the objects are in the namespaces %q, and it makes %q", r.used, r.namespaces)
	}
	return r
}

// pods returns the pods of newterms that the rendered workloads make. The
// store that an overlay brings is looked at by TestSharedStore.
func (r rendered) pods(t *testing.T) (list []corev1.PodTemplateSpec, claims []string) {
	t.Helper()
	for _, object := range r.objects {
		switch w := object.(type) {
		case *appsv1.DaemonSet:
			list = append(list, w.Spec.Template)
			wantLabels(t, w.Spec.Selector.MatchLabels, w.Spec.Template.Labels)
		case *appsv1.StatefulSet:
			wantLabels(t, w.Spec.Selector.MatchLabels, w.Spec.Template.Labels)
			if w.Name == "newterms-store" {
				continue
			}
			list = append(list, w.Spec.Template)
			for _, c := range w.Spec.VolumeClaimTemplates {
				claims = append(claims, c.Name)
			}
		}
	}
	if len(list) != 1 {
		t.Fatalf("%d workloads, want 1", len(list))
	}
	return list, claims
}

func wantLabels(t *testing.T, selector, labels map[string]string) {
	t.Helper()
	if len(selector) == 0 {
		t.Error("the selector takes everything")
	}
	for k, v := range selector {
		if labels[k] != v {
			t.Errorf("the selector wants %s=%s, the pods have %q", k, v, labels[k])
		}
	}
}

// TestManifests renders every kustomization and looks at what must hold in
// each.
func TestManifests(t *testing.T) {
	for _, test := range []struct {
		dir       string
		root      bool
		writable  []string // mounts
		readOnly  []string // mounts that must be there
		secrets   []string
		hostPaths []string
	}{
		{"base", true, []string{"/var/lib/newterms"}, []string{"/var/log/kubernetes/audit", "/etc/newterms/rules"}, nil,
			[]string{"/var/log/kubernetes/audit", "/var/lib/newterms"}},
		{"overlays/non-root", false, []string{"/var/lib/newterms"}, []string{"/var/log/kubernetes/audit", "/etc/newterms/rules"}, nil,
			[]string{"/var/log/kubernetes/audit", "/var/lib/newterms"}},
		{"overlays/rules-image", true, []string{"/var/lib/newterms"}, []string{"/var/log/kubernetes/audit", "/etc/newterms/rules"}, nil,
			[]string{"/var/log/kubernetes/audit", "/var/lib/newterms"}},
		{"overlays/shared-store", true, []string{"/var/lib/newterms"}, []string{"/var/log/kubernetes/audit", "/etc/newterms/rules"}, nil,
			[]string{"/var/log/kubernetes/audit", "/var/lib/newterms"}},
		{"overlays/aggregator", false, []string{"/var/lib/newterms"}, []string{"/etc/newterms/tls", "/etc/newterms/rules"},
			[]string{"newterms-tls"}, nil},
	} {
		t.Run(test.dir, func(t *testing.T) {
			r := render(t, test.dir)
			pods, claims := r.pods(t)
			spec := pods[0].Spec
			volumes := slices.Clone(claims)
			var hostPaths, secrets []string
			for _, v := range spec.Volumes {
				volumes = append(volumes, v.Name)
				switch {
				case v.HostPath != nil:
					hostPaths = append(hostPaths, v.HostPath.Path)
				case v.Secret != nil:
					secrets = append(secrets, v.Secret.SecretName)
				case v.ConfigMap != nil && r.configs[v.ConfigMap.Name] == nil:
					t.Errorf("volume %s is of ConfigMap %s, which is not there", v.Name, v.ConfigMap.Name)
				}
			}
			if !slices.Equal(hostPaths, test.hostPaths) || !slices.Equal(secrets, test.secrets) {
				t.Errorf("paths of the host %q, secrets %q; want %q and %q", hostPaths, secrets, test.hostPaths, test.secrets)
			}
			if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
				t.Error("the pod gets a token")
			}
			if spec.HostNetwork || spec.HostPID || spec.HostIPC {
				t.Error("the pod shares more of the host than folders")
			}
			sc := spec.SecurityContext
			if asRoot := sc.RunAsUser == nil || *sc.RunAsUser == 0; asRoot != test.root {
				t.Errorf("root: %v, want %v", asRoot, test.root)
			}
			if nonRoot := sc.RunAsNonRoot != nil && *sc.RunAsNonRoot; nonRoot == test.root {
				t.Errorf("runAsNonRoot is %v", nonRoot)
			}
			if sc.SeccompProfile == nil || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Error("no seccomp profile")
			}
			for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
				checkContainer(t, &c, volumes)
			}
			c := spec.Containers[0]
			if !strings.HasPrefix(c.Image, "registry.example/newterms:") {
				t.Errorf("the image is %s", c.Image)
			}
			for _, m := range c.VolumeMounts {
				if !m.ReadOnly && !slices.Contains(test.writable, m.MountPath) {
					t.Errorf("%s may be written", m.MountPath)
				}
			}
			for _, path := range test.readOnly {
				if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path && m.ReadOnly }) {
					t.Errorf("%s is not mounted, or may be written", path)
				}
			}
			if c.LivenessProbe == nil {
				t.Error("no liveness probe")
			}
		})
	}
}

// checkContainer looks at what holds for every container.
func checkContainer(t *testing.T, c *corev1.Container, volumes []string) {
	t.Helper()
	sc := c.SecurityContext
	switch {
	case sc == nil:
		t.Fatalf("container %s has no security context", c.Name)
	case sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation:
		t.Errorf("container %s may gain privileges", c.Name)
	case sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem:
		t.Errorf("container %s may write to its image", c.Name)
	case sc.Capabilities == nil || !slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}):
		t.Errorf("container %s keeps capabilities", c.Name)
	case len(sc.Capabilities.Add) > 0 && !(c.Name == "own-state" && slices.Equal(sc.Capabilities.Add, []corev1.Capability{"CHOWN"})):
		t.Errorf("container %s has capabilities %q", c.Name, sc.Capabilities.Add)
	}
	if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		t.Errorf("container %s has no limit of memory, or no requests", c.Name)
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("container %s mounts %s, which is no volume of the pod", c.Name, m.Name)
		}
	}
	if i := strings.LastIndex(c.Image, ":"); i < 0 || strings.HasSuffix(c.Image, ":latest") {
		t.Errorf("container %s has image %s without a version", c.Name, c.Image)
	}
}

// TestService has the aggregator's service lead to ports that it has.
func TestService(t *testing.T) {
	r := render(t, "overlays/aggregator")
	pods, _ := r.pods(t)
	ports := map[string]int32{}
	for _, p := range pods[0].Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	found := 0
	for _, object := range r.objects {
		switch o := object.(type) {
		case *corev1.Service:
			found++
			wantLabels(t, o.Spec.Selector, pods[0].Labels)
			for _, p := range o.Spec.Ports {
				if ports[p.TargetPort.StrVal] == 0 {
					t.Errorf("the service leads to port %s, which is not there", p.TargetPort.StrVal)
				}
			}
		case *policyv1.PodDisruptionBudget:
			found++
			wantLabels(t, o.Spec.Selector.MatchLabels, pods[0].Labels)
			if o.Spec.MaxUnavailable == nil || o.Spec.MaxUnavailable.IntValue() != 1 {
				t.Errorf("the budget lets %v pods be away: a node with the only one could not be drained", o.Spec.MaxUnavailable)
			}
		case *networkingv1.NetworkPolicy:
			found++
			wantLabels(t, o.Spec.PodSelector.MatchLabels, pods[0].Labels)
			for _, p := range o.Spec.Ingress[0].Ports {
				if ports[p.Port.StrVal] == 0 {
					t.Errorf("the network policy opens port %s, which is not there", p.Port.StrVal)
				}
			}
		}
	}
	if found != 3 {
		t.Errorf("%d of the service, the network policy and the disruption budget", found)
	}
}

// config returns the files of the ConfigMap whose name begins so.
func (r rendered) config(t *testing.T, prefix string) map[string]string {
	t.Helper()
	for name, files := range r.configs {
		if strings.HasPrefix(name, prefix+"-") {
			return files
		}
	}
	t.Fatalf("there is no ConfigMap %s", prefix)
	return nil
}

// lay writes files into a folder, with paths and the like replaced, and
// returns the folder.
func lay(t *testing.T, dir string, files map[string]string, replacements ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		text = strings.NewReplacer(replacements...).Replace(text)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// printed returns the alerts that Fluent Bit's stdout output has printed.
func printed(t *testing.T, fb *fluentbit.Process) []fluentbit.Alert {
	t.Helper()
	var lines []string
	for line := range strings.Lines(fb.Log.String()) {
		if strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n") {
			lines = append(lines, line)
		}
	}
	return fluentbit.ParseAlerts(t, []byte(strings.Join(lines, "")))
}

// here are the replacements that let a node's configuration run in a folder.
func here(dir, log, port, rules string) []string {
	return []string{
		"/usr/local/lib/newterms/out_newterms.so", fluentbit.Plugin,
		"/etc/newterms/rules", rules,
		"/etc/newterms/plugins.conf", filepath.Join(dir, "conf/plugins.conf"),
		"/etc/newterms", filepath.Join(dir, "conf"),
		"/fluent-bit/etc/conf", filepath.Join(dir, "conf"),
		"/var/log/kubernetes/audit", filepath.Dir(log),
		"/var/lib/newterms", filepath.Join(dir, "lib"),
		"2020", port,
		"24h", "off",
		"${STATE_STORE}", "bolt", // as in the manifest
	}
}

// TestKubernetesConfiguration runs the configuration of the DaemonSet, with
// the rules of its ConfigMap, and after a restart it finds nothing new.
func TestKubernetesConfiguration(t *testing.T) {
	t.Parallel()
	r := render(t, "base")
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		dir := t.TempDir()
		log := fluentbit.AuditLog(t, dir)
		rules := lay(t, filepath.Join(dir, "rules"), r.config(t, "newterms-rules"))
		runNode(t, binary, dir, log, rules, lay(t, filepath.Join(dir, "conf"), r.config(t, "newterms-config"), here(dir, log, fluentbit.FreePort(t), rules)...)+"/fluent-bit.yaml")
	})
}

// runNode runs a node's configuration twice.
func runNode(t *testing.T, binary, dir, log, rules, config string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	fb := fluentbit.StartFile(t, binary, config)
	want := fluentbit.Replayed(t, rules, log)
	if len(want) < fluentbit.SeedAlerts {
		t.Fatalf("%d alerts in the log", len(want))
	}
	fluentbit.Eventually(t, "alerts", func() bool { return len(printed(t, fb)) >= len(want) })
	fb.Stop()
	fluentbit.Same(t, fluentbit.Names(printed(t, fb)), want)
	fb = fluentbit.StartFile(t, binary, config)
	fluentbit.Eventually(t, "the start", func() bool {
		return regexp.MustCompile(fmt.Sprintf(`\b%d \w+ known`, len(want))).MatchString(fb.Log.String())
	})
	fb.Stop()
	if n := len(printed(t, fb)); n != 0 {
		t.Errorf("%d alerts after a restart", n)
	}
}

// helmValues are the values of Fluent's chart that ours set.
type helmValues struct {
	Kind           string
	Image          struct{ Repository, Tag string }
	RBAC           struct{ Create bool }
	ServiceAccount struct {
		Create                       bool
		AutomountServiceAccountToken *bool
	}
	NameOverride                  string
	UpdateStrategy                appsv1.DaemonSetUpdateStrategy
	TerminationGracePeriodSeconds int64
	TestFramework                 struct{ Enabled bool }
	NodeSelector                  map[string]string
	Tolerations                   []corev1.Toleration
	PodSecurityContext            corev1.PodSecurityContext
	SecurityContext               corev1.SecurityContext
	EnvFrom                       []corev1.EnvFromSource
	Env                           []corev1.EnvVar
	Resources                     corev1.ResourceRequirements
	LivenessProbe                 corev1.Probe
	ReadinessProbe                corev1.Probe
	DaemonSetVolumes              []corev1.Volume
	DaemonSetVolumeMounts         []corev1.VolumeMount
	Config                        struct{ Service, CustomParsers, Inputs, Filters, Outputs string }
}

// helm returns our values for Fluent's chart, and the files that the chart and
// the image make of them.
func helm(t *testing.T) (values helmValues, files map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, "helm-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	plugins, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/plugins.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return values, map[string]string{
		"plugins.conf":        string(plugins), // of the image
		"custom_parsers.conf": values.Config.CustomParsers,
		"fluent-bit.conf":     values.Config.Service + values.Config.Inputs + values.Config.Filters + values.Config.Outputs,
	}
}

// TestHelm holds the values for Fluent's chart against the DaemonSet of base,
// and runs the configuration that the chart makes of them.
func TestHelm(t *testing.T) {
	t.Parallel()
	values, files := helm(t)
	pods, _ := render(t, "base").pods(t)
	spec := pods[0].Spec
	c := spec.Containers[0]
	for _, pair := range []struct {
		what      string
		have, ask any
	}{
		{"image", values.Image.Repository + ":" + values.Image.Tag, c.Image},
		{"tolerations", values.Tolerations, spec.Tolerations},
		{"nodeSelector", values.NodeSelector, spec.NodeSelector},
		{"podSecurityContext", &values.PodSecurityContext, spec.SecurityContext},
		{"securityContext", &values.SecurityContext, c.SecurityContext},
		{"env", values.Env, c.Env},
		{"envFrom", values.EnvFrom, c.EnvFrom},
		{"resources", values.Resources, c.Resources},
		{"terminationGracePeriodSeconds", &values.TerminationGracePeriodSeconds, spec.TerminationGracePeriodSeconds},
		{"nameOverride", values.NameOverride, pods[0].Labels["app.kubernetes.io/name"]},
		{"serviceAccount.automountServiceAccountToken", values.ServiceAccount.AutomountServiceAccountToken, spec.AutomountServiceAccountToken},
		{"kind", values.Kind, "DaemonSet"},
	} {
		if !equality.Semantic.DeepEqual(pair.have, pair.ask) {
			t.Errorf("%s is %+v, in base it is %+v", pair.what, pair.have, pair.ask)
		}
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		dir := t.TempDir()
		log := fluentbit.AuditLog(t, dir)
		runNode(t, binary, dir, log, fluentbit.Rules, lay(t, filepath.Join(dir, "conf"), files, here(dir, log, fluentbit.FreePort(t), fluentbit.Rules)...)+"/fluent-bit.conf")
	})
}

// TestImages has an overlay's images override take effect: one of a user's
// above each of ours, as kustomize edit set image writes it.
func TestImages(t *testing.T) {
	for _, dir := range []string{"base", "overlays/non-root", "overlays/shared-store", "overlays/aggregator"} {
		t.Run(dir, func(t *testing.T) {
			fs := filesys.MakeFsOnDisk()
			mine, err := os.MkdirTemp(manifests, ".test-") // kustomize takes relative paths only
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(mine) })
			lay(t, mine, map[string]string{"kustomization.yaml": "resources: [../" + dir + "]\nimages:\n  - name: registry.example/newterms\n    newName: mine.example/newterms\n    newTag: \"7\"\n"})
			out, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, mine)
			if err != nil {
				t.Fatal(err)
			}
			text, err := out.AsYaml()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "image: mine.example/newterms:7\n") || strings.Contains(string(text), "registry.example") {
				t.Error("the override has no effect")
			}
		})
	}
}

// TestImage has the recipe copy what is there, and build what make builds.
func TestImage(t *testing.T) {
	recipe, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/image/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(fluentbit.Root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	copies := regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(string(recipe), -1)
	if len(copies) < 5 {
		t.Errorf("it copies %d times", len(copies))
	}
	for _, m := range copies {
		for _, path := range strings.Fields(m[1]) {
			if _, err := os.Stat(filepath.Join(fluentbit.Root, path)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if !strings.Contains(string(recipe), "      "+arch+") cc=") || !strings.Contains(string(makefile), "\nbuild-"+arch+": ") {
			t.Errorf("the recipe or the Makefile does not know %s", arch)
		}
	}
}
