// Package azure stands in for the contrib distribution's translator of Azure's resource logs.
//
// The Kafka receiver imports it for one encoding of logs. The configurations of collector/ read traces alone, and not
// every module proxy serves the translator at the version of the other components.
package azure

import (
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// ResourceLogsUnmarshaler rejects every record.
type ResourceLogsUnmarshaler struct {
	Version string
	Logger  *zap.Logger
}

// UnmarshalLogs returns an error.
func (*ResourceLogsUnmarshaler) UnmarshalLogs([]byte) (plog.Logs, error) {
	return plog.Logs{}, errors.New("this Collector is built without the encoding azure_resource_logs")
}
