#!/usr/bin/env bash
# Collector: with a hash function the redaction processor gives all numbers, truth values and lists one and the same hash.
#
# Seen on 2026-12-01 with OpenTelemetry Collector 0.159.0 (redactionprocessor), Go 1.25.
# Expected: `blocked_key_patterns` with `hash_function` replaces the value of `user.id` by its hash: "the function for hashing
#           values of matched keys". Users stay countable, and no one reads their ids.
# Seen:     of a value that is no text the empty text is hashed, unless redact_all_types is set, which is about values that
#           are checked by patterns: d41d8cd9… is the MD5 of nothing. All users with a number as their id are one, and so are
#           all lists of documents, beside texts that have a hash each. Of a text of several lines each line is
#           hashed alone: equal lines of two prompts can be recognized, and the hash of the whole is not in the attribute.
#
# Output seen:
#   user.id 5: d41d8cd98f00b204e9800998ecf8427e
#   user.id 6: d41d8cd98f00b204e9800998ecf8427e
#   user.id "5": e4da3b7fbbce2345d7772b0674a318d5
#   user.prompt of three lines: 3 hashes
#
# Needs Go. Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/finding"
cd "$folder/finding"
export GOPATH="$folder/go" GOFLAGS=-modcacherw CGO_ENABLED=0
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// hashed returns what the processor makes of a value.
func hashed(key string, value any) string {
	factory := redactionprocessor.NewFactory()
	settings := factory.CreateDefaultConfig()
	must(0, confmap.NewFromStringMap(map[string]any{
		"allow_all_keys": true, "blocked_key_patterns": []any{"^user\\."}, "hash_function": "md5",
	}).Unmarshal(settings))
	ctx, sink := context.Background(), new(consumertest.TracesSink)
	processor := must(factory.CreateTraces(ctx, processortest.NewNopSettings(factory.Type()), settings, sink))
	must(0, processor.Start(ctx, componenttest.NewNopHost()))
	traces := ptrace.NewTraces()
	span := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	must(0, span.Attributes().FromRaw(map[string]any{key: value}))
	must(0, processor.ConsumeTraces(ctx, traces))
	must(0, processor.Shutdown(ctx))
	received := sink.AllTraces()[0].ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes()
	found, _ := received.Get(key)
	return found.Str()
}

func main() {
	five, six, text := hashed("user.id", 5), hashed("user.id", 6), hashed("user.id", "5")
	fmt.Printf("user.id 5: %s\nuser.id 6: %s\nuser.id \"5\": %s\n", five, six, text)
	lines := len(strings.Split(hashed("user.prompt", "one\ntwo\nthree"), "\n"))
	fmt.Printf("user.prompt of three lines: %d hashes\n", lines)
	ofNothing := "d41d8cd98f00b204e9800998ecf8427e"
	if five != ofNothing || six != ofNothing || text == ofNothing || len(text) != 32 || lines != 3 {
		os.Exit(1)
	}
}
GO
{
    go mod init finding
    go get github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor@v0.159.0
    go mod tidy
    go build -o finding .
} >log 2>&1 || { tail -n 5 log >&2; exit 1; }
./finding
