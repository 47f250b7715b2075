{{/* The settings of a component: the root and its name give YAML, variables by name. */}}

{{- define "tminus.environment" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := $root.Values -}}
APP_ENV: production
LOG_FORMAT: json
LOG_LEVEL: {{ $values.log.level }}
METRICS_PORT: {{ include "tminus.metricsPort" $root | quote }}
NATS_URL: {{ include "tminus.natsUrl" $root }}
NATS_USER: {{ $component }}
NATS_PASSWORD:
  valueFrom:
    secretKeyRef:
      name: {{ $values.global.tminus.passwords }}
      key: {{ upper $component }}_PASSWORD
STREAM_MAX_BYTES: {{ $values.stream.maxBytes | quote }}
STREAM_REPLICAS: {{ $values.stream.replicas | quote }}
{{- if eq $component "coordinator" }}
{{ include "tminus.coordinatorEnvironment" $root }}
{{- else if eq $component "frontend" }}
{{ include "tminus.frontendEnvironment" $root }}
{{- else if and (eq $component "auditor") $values.auditor.canary }}
CANARY_URL: {{ include "tminus.page" $root }}
{{ include "tminus.controlToken" $root }}
{{- end }}
{{- end }}

{{- define "tminus.coordinatorEnvironment" -}}
{{- $origins := .Values.page.allowedOrigins -}}
{{- if eq .Values.sockets.mode "direct" -}}
{{- $origins = prepend $origins (include "tminus.origin" .) -}}
{{- end -}}
ALLOWED_ORIGINS: {{ join "," $origins | quote }}
{{- if eq .Values.sockets.mode "through" }}
TRUSTED_PROXIES: {{ join "," .Values.trustedProxies | quote }}
{{- end }}
{{- if include "tminus.socketsSpeakTls" . }}
TLS_CERT: /run/tls/tls.crt
TLS_KEY: /run/tls/tls.key
{{- end }}
{{- end }}

{{- define "tminus.frontendEnvironment" -}}
ALLOWED_FRAMES: {{ join "," .Values.page.allowedFrames | quote }}
ALLOWED_ORIGINS: {{ join "," .Values.page.allowedOrigins | quote }}
BASE_PATH: {{ .Values.page.basePath | quote }}
TRUSTED_PROXIES: {{ join "," .Values.trustedProxies | quote }}
{{ include "tminus.controlToken" . }}
{{- if not .Values.control.anybody }}
LINK_KEYS:
  valueFrom:
    secretKeyRef: {name: {{ .Values.control.secret }}, key: LINK_KEYS, optional: true}
{{- end }}
{{- with .Values.sockets.direct }}
{{- if eq $.Values.sockets.mode "direct" }}
WS_HOST: {{ ternary .host (printf "%s:%d" .host (int .port)) (eq (int .port) (ternary 443 80 (include "tminus.pageIsHttps" $ | eq "true"))) }}
WS_PATH: /ws/connect
{{- else if $.Values.ingress.enabled }}
# An ingress can't change a path, so it is the coordinators' own.
WS_PATH: {{ $.Values.page.basePath }}/ws/connect
{{- end }}
{{- end }}
{{- end }}

{{- define "tminus.controlToken" -}}
CONTROL_TOKEN:
{{- if .Values.control.anybody }} none
{{- else }}
  valueFrom:
    secretKeyRef: {name: {{ .Values.control.secret }}, key: CONTROL_TOKEN}
{{- end }}
{{- end }}

{{/* Every server by its own name: a service may start while the first one is down. */}}
{{- define "tminus.natsUrl" -}}
{{- if .Values.nats.enabled -}}
{{- $nats := include "nats.fullname" .Subcharts.nats -}}
{{- $cluster := .Values.nats.config.cluster -}}
{{- $urls := list -}}
{{- range $i := until (ternary (int $cluster.replicas) 1 $cluster.enabled) -}}
{{- $urls = append $urls (printf "nats://%s-%d.%s-headless:4222" $nats $i $nats) -}}
{{- end -}}
{{- join "," $urls -}}
{{- else -}}
{{- .Values.bus.url -}}
{{- end -}}
{{- end }}

{{- define "tminus.pageIsHttps" -}}
{{- or .Values.page.https (and .Values.ingress.enabled (ne .Values.ingress.tlsSecret "")) -}}
{{- end }}

{{- define "tminus.origin" -}}
{{- printf "%s://%s" (ternary "https" "http" (include "tminus.pageIsHttps" . | eq "true")) .Values.page.host -}}
{{- end }}

{{- define "tminus.page" -}}
{{- printf "%s%s/" (include "tminus.origin" .) .Values.page.basePath -}}
{{- end }}

{{/* "true" or nothing. */}}
{{- define "tminus.socketsSpeakTls" -}}
{{- if and (eq .Values.sockets.mode "direct") .Values.sockets.direct.tlsSecret -}}
true
{{- end -}}
{{- end }}
