// Package kubernetes tests conf/kubernetes: it renders the manifests as kubectl
// does, decodes them strictly and runs their configurations in a real Fluent
// Bit. It is a module of its own, so that the 264 packages of Kubernetes and
// kustomize stay out of the main go.mod.
package kubernetes
