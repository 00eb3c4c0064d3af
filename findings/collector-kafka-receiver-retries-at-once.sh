#!/usr/bin/env bash
# Collector: the Kafka receiver's error_backoff has no default multiplier: all retries but the first follow at once.
#
# Seen on 2026-11-28 with opentelemetry-collector-contrib 0.165.1 (kafkareceiver), and 0.159.0, Go 1.26.
# Expected: with `enabled: true`, `initial_interval: 500ms` and `max_interval: 10s` the receiver waits for half a second, then
#           for longer each time, as the exporters' retry_on_failure does, whose multiplier is 1.5 by default. Its README
#           lists multiplier among the settings, without a default and without a word on its absence.
# Seen:     the multiplier is 0. The first retry waits, the next interval is 500 ms * 0: as long as the consumer fails the
#           receiver retries without a pause, each time with a line in the log. With `multiplier: 1.5` it waits.
#
# Output seen:
#   no multiplier: more than 100 attempts in 4 s
#   multiplier 1.5: 4 attempts in 4 s
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
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

const seconds = 4

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// attempts counts how often the receiver gives one message to a consumer that always fails, in a few seconds.
func attempts(backoff map[string]any) int64 {
	ctx := context.Background()
	broker := must(kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "spans")))
	defer broker.Close()
	spans := ptrace.NewTraces()
	spans.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("call")
	producer := must(kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...)))
	defer producer.Close()
	body := must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans))
	must(0, producer.ProduceSync(ctx, &kgo.Record{Topic: "spans", Value: body}).FirstErr())

	var count atomic.Int64
	failing := must(consumer.NewTraces(func(context.Context, ptrace.Traces) error {
		count.Add(1)
		return errors.New("not now")
	}))
	factory := kafkareceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	must(0, confmap.NewFromStringMap(map[string]any{
		"brokers":         broker.ListenAddrs(),
		"initial_offset":  "earliest",
		"traces":          map[string]any{"topics": []string{"spans"}},
		"message_marking": map[string]any{"after": true},
		"error_backoff":   backoff,
	}).Unmarshal(config))
	receiver := must(factory.CreateTraces(ctx, receivertest.NewNopSettings(factory.Type()), config, failing))
	must(0, receiver.Start(ctx, componenttest.NewNopHost()))
	for began := time.Now(); count.Load() == 0 && time.Since(began) < 30*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(seconds * time.Second)
	found := count.Load()
	must(0, receiver.Shutdown(ctx))
	return found
}

func main() {
	given := map[string]any{"enabled": true, "initial_interval": "500ms", "max_interval": "10s"}
	without := attempts(given)
	given["multiplier"] = 1.5
	with := attempts(given)
	if without > 100 {
		fmt.Printf("no multiplier: more than 100 attempts in %d s\n", seconds)
	} else {
		fmt.Printf("no multiplier: %d attempts in %d s\n", without, seconds)
	}
	fmt.Printf("multiplier 1.5: %d attempts in %d s\n", with, seconds)
	if without <= 100 || with < 3 || with > 6 {
		os.Exit(1)
	}
}
GO
{
    go mod init finding
    go get github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver@v0.165.1 \
        github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260421215025-4e7a1e1569ac
    go mod tidy
    go build -o finding .
} >log 2>&1 || { tail -n 5 log >&2; exit 1; }
./finding
