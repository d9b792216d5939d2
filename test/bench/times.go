package main

import (
	"slices"
	"strings"
	"time"
)

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func median(list []time.Duration) time.Duration {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func least(list []time.Duration) time.Duration { return slices.Min(list) }

func lineSplit(text []byte) []string { return strings.Split(string(text), "\n") }

func worst(list []time.Duration) time.Duration { return slices.Max(list) }
