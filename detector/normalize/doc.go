// Package normalize splits the terms of a combination into what identifies
// them and the parts that change by themselves: versions, commit hashes, the
// generated ends of names. Two terms with the same form, that differ in such
// parts only, are variants of each other:
//
//	kubectl/v1.35.0 (linux/amd64) kubernetes/6645204
//	kubectl/v1.35.1 (linux/amd64) kubernetes/7f3a1c9
//	kubectl/* (linux/amd64) kubernetes/*                 the form of both
//
// A Normalizer is a list of steps. Each step names one kind of part, and looks
// for it in the text that the steps before it left over. A form keeps the kind
// of every part, so a hash never stands in for a version.
//
// # Steps
//
//	versions    v1.35.0, 8.5.0, 1.35.0-rc.1, 1.30.2-gke.1023, v1.31.4+k3s1, go1.26.1
//	hashes      hexadecimal numbers of 7 to 64 digits, at least one of them from 0 to 9
//	dates       2026-11-28, 20261128, each with a time of day or without
//	uuid        6f1c3e0a-9d1e-4b6b-9a55-0d6c3b1f2a77
//	generated   the ends that Kubernetes gives to names: web-7d9f8c6b5-x2x4z, backup-29388240-6w2kd
//	runs        the ends of names that CI systems give: ci-8f3a91, pr-1402, build-77-3
//	numbers     every run of digits
//	network/N   what follows the first N bits (8, 16, 24) of an IPv4 address, 64 of IPv6
//	domain      the names of hosts below a registered domain
//
// A step of one's own is a regular expression (RE2) and what to write in the
// place of a match.
//
// # Sets
//
// A Set gives each field its steps. The built-in set "kubernetes" serves audit
// events. Files hold sets of one's own:
//
//	[normalize]
//	"user_agent.original" = ["versions", "hashes"]
//	"user.name" = [{ match = 'ci-[0-9a-f]+', replace = "ci-*" }]
package normalize
