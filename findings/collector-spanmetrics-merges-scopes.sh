#!/usr/bin/env bash
# Collector: with include_instrumentation_scope the span metrics of two libraries are one series, under the first one's name.
#
# Seen on 2026-12-01 with OpenTelemetry Collector 0.159.0 (spanmetricsconnector), Go 1.25.
# Expected: `include_instrumentation_scope: [first, second]` gives each series the name of the library that wrote the spans,
#           so that calls and durations of an agent and of an evaluation that call one model can be told apart.
# Seen:     the name is an attribute of the series and not in the key by which spans are counted. Spans that are equal in
#           service, name, kind and status, as "chat gpt-4.1" is in each library of the GenAI conventions, are counted in
#           one series. It has the name of the library whose span came first: with its spans in another order the same
#           four calls are those of the other library. Durations are mixed in the same way. Without the option
#           there is one series too, and it names no library.
#
# Output seen:
#   1 span of first, then 3 of second: {first: 4}
#   3 spans of second, then 1 of first: {second: 4}
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
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// calls gives the connector a span of each library, and returns the calls by library that it reports.
func calls(libraries ...string) string {
	factory := spanmetricsconnector.NewFactory()
	settings := factory.CreateDefaultConfig()
	must(0, confmap.NewFromStringMap(map[string]any{
		"include_instrumentation_scope": []any{"first", "second"}, "metrics_flush_interval": "100ms",
		"histogram": map[string]any{"disable": true},
	}).Unmarshal(settings))
	ctx, sink := context.Background(), new(consumertest.MetricsSink)
	connector := must(factory.CreateTracesToMetrics(ctx, connectortest.NewNopSettings(factory.Type()), settings, sink))
	must(0, connector.Start(ctx, componenttest.NewNopHost()))
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "service")
	for index, library := range libraries {
		scope := resource.ScopeSpans().AppendEmpty()
		scope.Scope().SetName(library)
		span := scope.Spans().AppendEmpty()
		span.SetName("chat gpt-4.1")
		span.SetTraceID(pcommon.TraceID{1, byte(index)})
		span.SetSpanID(pcommon.SpanID{1, byte(index)})
	}
	must(0, connector.ConsumeTraces(ctx, traces))
	total, found := int64(0), ""
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		total, found = 0, ""
		if len(sink.AllMetrics()) == 0 {
			continue
		}
		// The newest report; a series is reported with 0 before its first count.
		newest := sink.AllMetrics()[len(sink.AllMetrics())-1]
		points := newest.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
		for index := range points.Len() {
			library, _ := points.At(index).Attributes().Get("span.instrumentation.scope.name")
			total += points.At(index).IntValue()
			found += fmt.Sprintf("{%s: %d}", library.Str(), points.At(index).IntValue())
		}
		if total == int64(len(libraries)) {
			break
		}
	}
	must(0, connector.Shutdown(ctx))
	return found
}

func main() {
	one := calls("first", "second", "second", "second")
	fmt.Printf("1 span of first, then 3 of second: %s\n", one)
	other := calls("second", "second", "second", "first")
	fmt.Printf("3 spans of second, then 1 of first: %s\n", other)
	if one != "{first: 4}" || other != "{second: 4}" {
		os.Exit(1)
	}
}
GO
{
    go mod init finding
    go get github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector@v0.159.0
    go mod tidy
    go build -o finding .
} >log 2>&1 || { tail -n 5 log >&2; exit 1; }
./finding
