// Package mapping turns the shapes that events arrive in into the field names
// that rules use.
//
// Rules speak of ECS fields: user_agent.original,
// kubernetes.audit.objectRef.resource. Records come as ECS documents, or as
// raw Kubernetes audit events, bare or wrapped:
//
//	raw         {"kind":"Event","auditID":…,"stage":…,"verb":…}
//	list        {"kind":"EventList","items":[raw, …]}          the API server's webhook
//	AKS         {"category":…,"operationName":…,"properties":{"log":"raw as text"}}
//	            {"records":[AKS, …]}                            Azure's diagnostic export
//	GKE         {"protoPayload":{…},"insertId":…,"labels":{…}}  Google Cloud's audit log
//	EKS         {"message":"raw as text"}, {"@message":…}       CloudWatch
//	            {"logEvents":[{"message":…}, …]}                its subscriptions
//	agent       {"kubernetes":{"audit":raw}}                    before the ingest pipeline
//	under a key {"log":"any of these as text"}, {"log":{any of these}}
//	array       [any of these, …]                               as text
//	ecs         anything else
//
// The wrappings come off one after the other, up to a bound, and an event has
// the same fields in all of them:
//
//	chunk, line ──Reader: scan, tell the shape──▶ wrapped? ─▶ scan what is in it
//	                                                 │ no
//	                                                 ▼
//	         complete the View for its shape ──▶ Handler.Event ──▶ Ref.Document
//
// A Plan collects the fields that rules ask for and lays out one walk that
// finds them in any of these shapes: in a raw event user_agent.original is
// userAgent, event.outcome follows from an annotation, event.dataset is what
// the integration would have written. A Reader makes the walk. Document
// writes the whole ECS document of one event: what the Kubernetes
// integration's ingest pipeline would have made of it. That a View has the
// values of the Document, and no others, is what the package is tested for.
//
// Filters may add fields to a raw event on its way (host, cluster, a pod's
// kubernetes). They keep their names, beside kubernetes.audit, but never stand
// in for what the pipeline says: no shipper's source.ip is the event's.
package mapping
