package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"fluent-bit-newterms/test/fluentbit"
	"fluent-bit-newterms/test/redisserver"
)

// TestSharedStore renders the overlay with the store, and runs three nodes of
// it with the secret that its recipe makes: each combination alerts on one of
// them, though each node has seen it.
func TestSharedStore(t *testing.T) {
	t.Parallel()
	r := render(t, "overlays/shared-store")
	store := checkStore(t, r)
	pods, _ := r.pods(t)
	env := pods[0].Spec.Containers[0].Env
	if i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == "STATE_STORE" }); i < 0 || env[i].Value != "" || env[i].ValueFrom == nil || env[i].ValueFrom.SecretKeyRef.Key != "url" {
		t.Errorf("the pod's environment is %+v", env)
	}

	secret := t.TempDir()
	if out, err := exec.Command("sh", filepath.Join(manifests, "overlays/shared-store/secret.sh"), secret).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	url, err := os.ReadFile(filepath.Join(secret, "url"))
	if err != nil {
		t.Fatal(err)
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		config := []string{"aclfile " + filepath.Join(secret, "users.acl")}
		for i := 0; i+1 < len(store.Args); i += 2 { // as the container is started
			if name := strings.TrimPrefix(store.Args[i], "--"); name != "dir" && name != "aclfile" {
				config = append(config, name+" "+store.Args[i+1])
			}
		}
		server := redisserver.Start(t, config...)
		rules := lay(t, t.TempDir(), r.config(t, "newterms-rules"))
		var found []string
		for i := range 3 {
			dir := t.TempDir()
			log := fluentbit.AuditLog(t, dir)
			replacements := append([]string{"${STATE_STORE}", strings.Replace(string(url), "newterms-store:6379", server.Addr, 1)}, here(dir, log, fluentbit.FreePort(t), rules)...)
			config := lay(t, filepath.Join(dir, "conf"), r.config(t, "newterms-config"), replacements...) + "/fluent-bit.yaml"
			if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
				t.Fatal(err)
			}
			want := fluentbit.Replayed(t, rules, log)
			fb := fluentbit.StartFile(t, binary, config)
			if i == 0 {
				fluentbit.Eventually(t, "alerts", func() bool { return len(printed(t, fb)) >= len(want) })
			} else {
				// What the others have alerted on is known here too, once the log is read.
				state := filepath.Join(dir, "lib/state")
				fluentbit.Eventually(t, fmt.Sprintf("node %d to know all", i), func() bool {
					out, _ := exec.Command(fluentbit.Command, "state", "export", "--state", state).Output()
					return strings.Count(string(out), "\n") >= len(want)
				})
			}
			fb.Stop()
			found = append(found, fluentbit.Names(printed(t, fb))...)
			if i == 2 {
				fluentbit.Same(t, found, want)
			}
		}
	})
}

// checkStore looks at the store that the overlay brings, and returns its
// container.
func checkStore(t *testing.T, r rendered) *corev1.Container {
	t.Helper()
	var store *appsv1.StatefulSet
	policies := 0
	for _, object := range r.objects {
		switch o := object.(type) {
		case *appsv1.StatefulSet:
			store = o
		case *networkingv1.NetworkPolicy:
			policies++
			from := o.Spec.Ingress[0].From
			if len(from) != 1 || from[0].PodSelector.MatchLabels["app.kubernetes.io/name"] != "newterms" || o.Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] != "newterms-store" {
				t.Errorf("the network policy is %+v", o.Spec)
			}
		}
	}
	if store == nil || policies != 1 {
		t.Fatalf("the store is %v, with %d network policies", store, policies)
	}
	spec := store.Spec.Template.Spec
	if spec.SecurityContext.RunAsNonRoot == nil || !*spec.SecurityContext.RunAsNonRoot || *spec.AutomountServiceAccountToken {
		t.Error("the store runs as root, or has a token")
	}
	volumes := []string{store.Spec.VolumeClaimTemplates[0].Name}
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	checkContainer(t, &spec.Containers[0], volumes)
	return &spec.Containers[0]
}
