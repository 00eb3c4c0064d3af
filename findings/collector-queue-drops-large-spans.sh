#!/usr/bin/env bash
# Collector: an exporter's queue drops a span that is larger than its batches, after it has accepted it.
#
# Seen on 2026-11-28 with OpenTelemetry Collector 0.165.0 (exporterhelper) and 0.159.0, Go 1.26.
# Expected: max_size, "the maximum size of a batch, enables batch splitting", splits what can be split. A span that is larger
#           alone is sent as it is, or refused, so that its client or the receiver before it learns of it.
# Seen:     the queue accepts the span (ConsumeTraces returns no error, the receiver answers 200), the batcher finds that it
#           cannot split it, and drops it with a warning. Two spans that are too large together are split and sent.
#
# Output seen:
#   two spans of 600 bytes: accepted, 2 sent
#   one span of 1200 bytes: accepted, 0 sent
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
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// sent gives spans of a size to an exporter whose batches have at most a thousand bytes, and counts what it sends.
func sent(spans, bytes int) int64 {
	ctx := context.Background()
	var count atomic.Int64
	push := func(_ context.Context, traces ptrace.Traces) error {
		count.Add(int64(traces.SpanCount()))
		return nil
	}
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.Sizer = exporterhelper.RequestSizerTypeBytes
	queue.QueueSize = 1_000_000
	queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
		Sizer: exporterhelper.RequestSizerTypeBytes, FlushTimeout: 100_000_000, MinSize: 100, MaxSize: 1000,
	})
	settings := exportertest.NewNopSettings(component.MustNewType("finding"))
	exporter := must(exporterhelper.NewTraces(
		ctx, settings, &struct{}{}, push, exporterhelper.WithQueue(configoptional.Some(queue))))
	must(0, exporter.Start(ctx, componenttest.NewNopHost()))
	traces := ptrace.NewTraces()
	list := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range spans {
		list.AppendEmpty().SetName(strings.Repeat("x", bytes))
	}
	must(0, exporter.ConsumeTraces(ctx, traces)) // accepted, or this panics
	must(0, exporter.Shutdown(ctx))              // sends what is in the queue
	return count.Load()
}

func main() {
	two, one := sent(2, 600), sent(1, 1200)
	fmt.Printf("two spans of 600 bytes: accepted, %d sent\n", two)
	fmt.Printf("one span of 1200 bytes: accepted, %d sent\n", one)
	if two != 2 || one != 0 {
		os.Exit(1)
	}
}
GO
{
    go mod init finding
    go get go.opentelemetry.io/collector/exporter/exporterhelper@v0.165.0
    go mod tidy
    go build -o finding .
} >log 2>&1 || { tail -n 5 log >&2; exit 1; }
./finding
