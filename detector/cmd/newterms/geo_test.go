package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluent-bit-newterms/test/mmdb"
)

// asnEvents are a raw event for each public rule on autonomous systems: what the
// rule raises on it, and without a database.
var asnEvents = map[string]struct {
	event         string
	want, without string
}{
	"credential_access_gcp_gke_secrets_list_unusual_source_asn": {
		event: `{"insertId":"i1","timestamp":"2026-01-01T00:00:00Z","resource":{"type":"k8s_cluster","labels":{}},"protoPayload":{"serviceName":"k8s.io",
			"methodName":"io.k8s.core.v1.secrets.list","resourceName":"core/v1/namespaces/kube-system/secrets",
			"authenticationInfo":{"principalEmail":"eve@example.com"},"authorizationInfo":[{"granted":true}],
			"requestMetadata":{"callerIp":"192.0.2.7","callerSuppliedUserAgent":"kubectl"}}}`,
		want: "[eve@example.com 9009]",
	},
	"defense_evasion_entra_id_ca_mfa_bypass_first_party_graph": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"SignInLogs","operationName":"Sign-in activity","properties":{"userPrincipalName":"eve@example.com",
			"appId":"a1","ipAddress":"192.0.2.7","status":{"errorCode":0},"userType":"Member","authenticationRequirement":"singleFactorAuthentication",
			"conditionalAccessStatus":"notApplied","authenticationDetails":[{"authenticationMethod":"Password"}],
			"appliedConditionalAccessPolicies":[{"enforcedGrantControls":["Mfa"],"result":"notApplied"}],
			"resourceDisplayName":"Microsoft Graph","appOwnerTenantId":"f8cdef31-a31e-4b4a-93e4-5f571e91255a"}}`,
		want: "[eve@example.com a1 9009]",
	},
	"discovery_new_terms_vpn_asn_discovery_api_calls": {
		event: `{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventSource":"sts.amazonaws.com","eventName":"GetCallerIdentity",
			"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","userName":"eve","accountId":"111122223333"},"sourceIPAddress":"192.0.2.7"}`,
		want: "[9009 eve 111122223333]",
	},
	"execution_azure_vm_extension_crud_unusual_source": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"Administrative","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/EXTENSIONS/WRITE",
			"resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM1","resultType":"Success","callerIpAddress":"192.0.2.7"}`,
		want: "[VM1 9009]",
	},
	"execution_compute_vm_command_executed": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"Administrative","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/RUNCOMMAND/ACTION",
			"resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM1","resultType":"Success","callerIpAddress":"192.0.2.7",
			"identity":{"authorization":{"evidence":{"principalId":"p1"}}}}`,
		want: "[p1 VM1 9009]",
	},
	"execution_lambda_function_invoked_from_unusual_source_asn": {
		event: `{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventSource":"lambda.amazonaws.com","eventName":"Invoke",
			"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","userName":"eve","accountId":"111122223333"},"sourceIPAddress":"192.0.2.7"}`,
		want: "[Network 192.0.2.0/24 111122223333 eve]",
	},
	"initial_access_aad_graph_unusual_asn": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"AzureADGraphActivityLogs","resultSignature":"200",
			"properties":{"requestMethod":"GET","requestUri":"https://graph.windows.net/t/users","userId":"u1","ipAddress":"192.0.2.7"}}`,
		want: "[u1 9009]",
	},
	"initial_access_entra_id_rare_app_id_for_principal_auth": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"NonInteractiveUserSignInLogs","operationName":"Sign-in activity",
			"properties":{"userPrincipalName":"eve@example.com","appId":"a1","ipAddress":"192.0.2.7","isInteractive":false,"userType":"Member","status":{"errorCode":0}}}`,
		want: "[eve@example.com a1]", without: "[eve@example.com a1]", // it leaves out one network only
	},
	"lateral_movement_azure_vm_serial_console_connect": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"Administrative","operationName":"MICROSOFT.SERIALCONSOLE/SERIALPORTS/CONNECT/ACTION",
			"resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM1","resultType":"Success","callerIpAddress":"192.0.2.7",
			"identity":{"authorization":{"evidence":{"principalId":"p1"}}}}`,
		want: "[p1 9009]",
	},
	"persistence_entra_id_conditional_access_policy_modified": {
		event: `{"time":"2026-01-01T00:00:00Z","category":"AuditLogs","operationName":"Update conditional access policy",
			"properties":{"result":"success","initiatedBy":{"user":{"userPrincipalName":"eve@example.com","ipAddress":"192.0.2.7"}}}}`,
		want: "[eve@example.com 9009]",
	},
}

// TestAddressRules: the public rules on autonomous systems run on raw events with
// a database of them, and their alerts say what it holds.
func TestAddressRules(t *testing.T) {
	const rules = "../../../../shared/data/rules/"
	if _, err := os.Stat(rules); err != nil {
		t.Skip("no rules beside the repository: ", err)
	}
	db := mmdb.ASN(t, filepath.Join(t.TempDir(), "asn.mmdb"), map[string]uint32{"192.0.2.0/24": 9009})
	files, err := filepath.Glob(rules + "*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		test, ok := asnEvents[name]
		if uses := strings.Contains(string(text), "source.as.") || strings.Contains(string(text), "source.geo."); uses != ok {
			t.Errorf("%s uses the fields: %v; it has an event: %v", name, uses, ok)
			continue
		} else if !uses {
			continue
		}
		event := filepath.Join(t.TempDir(), "event.jsonl")
		if err := os.WriteFile(event, []byte(strings.ReplaceAll(test.event, "\n", " ")), 0o600); err != nil {
			t.Fatal(err)
		}
		replay := func(more ...string) map[string]any {
			t.Helper()
			var out, errs bytes.Buffer
			args := append([]string{"replay", "-q", "--learn", "off", "--rules", file}, more...)
			if code := run(append(args, event), strings.NewReader(""), &out, &errs); code != 0 {
				t.Fatalf("%s: exit %d: %s", name, code, errs.String())
			}
			var a map[string]any
			if out.Len() > 0 {
				if err := json.Unmarshal(out.Bytes(), &a); err != nil {
					t.Fatalf("%s: %v: %s", name, err, out.String())
				}
			}
			return a
		}
		terms := func(a map[string]any) string {
			if a == nil {
				return ""
			}
			return fmt.Sprint(a["kibana.alert.new_terms"])
		}
		alert := replay("--geoip-asn", db)
		if got := terms(alert); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
			continue
		}
		if got := terms(replay()); got != test.without {
			t.Errorf("%s without a database: %q, want %q", name, got, test.without)
		}
		as := fmt.Sprint(alert["source"])
		if !strings.Contains(as, "number:9009") || !strings.Contains(as, "name:Network 192.0.2.0/24") {
			t.Errorf("%s: the alert's source is %s", name, as)
		}
	}
}

// TestAddressFlags: a file that is no database is refused with the flag's name.
func TestAddressFlags(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.mmdb")
	if err := os.WriteFile(bad, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	city := mmdb.City(t, filepath.Join(t.TempDir(), "city.mmdb"), map[string]string{"192.0.2.0/24": "Puddle"})
	query := func(flag, file string) (code int, out, errs bytes.Buffer) {
		in := strings.NewReader(`{"event.kind":"event","source.ip":"192.0.2.7"}` + "\n" + `{"event.kind":"event","source.ip":"203.0.113.7"}` + "\n")
		code = run([]string{"query", flag, file, "source.geo.city_name: Puddle", "-"}, in, &out, &errs)
		return
	}
	if code, out, errs := query("--geoip-city", city); code != 0 || strings.Count(out.String(), "192.0.2.7") != 1 || strings.Contains(out.String(), "203.0.113.7") {
		t.Errorf("exit %d, %s%s", code, out.String(), errs.String())
	}
	if code, _, errs := query("--geoip-asn", bad); code != 2 || !strings.Contains(errs.String(), "--geoip-asn") || !strings.Contains(errs.String(), bad) {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}
