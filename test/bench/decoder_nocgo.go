//go:build !cgo

package main

func (b *bench) decoder() (result, error) { return result{}, errMissing("built without cgo") }
