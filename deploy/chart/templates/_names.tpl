{{/* Names and labels. Each takes a list: the root, and a component if it is of one. */}}

{{- define "tminus.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "tminus.name" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" (include "tminus.fullname" $root) (index . 1) -}}
{{- end }}

{{- define "tminus.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end }}

{{- define "tminus.labels" -}}
{{- $root := index . 0 -}}
{{ include "tminus.selectorLabels" . }}
app.kubernetes.io/version: {{ include "tminus.tag" $root | quote }}
app.kubernetes.io/part-of: tminus
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tminus.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end }}

{{/* The ConfigMap with nats.conf. NATS's chart names it, too, and knows of this one only the release. */}}
{{- define "tminus.busConfig" -}}
{{- printf "%s-bus-config" (.Release.Name | trunc 50 | trimSuffix "-") -}}
{{- end }}

{{/* The services that are on, as JSON. */}}
{{- define "tminus.components" -}}
{{- $components := list "scheduler" "coordinator" "frontend" -}}
{{- if .Values.auditor.enabled -}}
{{- $components = append $components "auditor" -}}
{{- end -}}
{{- toJson $components -}}
{{- end }}

{{- define "tminus.port" -}}
{{- get (dict "scheduler" "8081" "coordinator" "8787" "frontend" "8080" "auditor" "8090") . -}}
{{- end }}

{{/* Metrics have a port of their own on every pod, so that /metrics is 404 on those that are public. */}}
{{- define "tminus.metricsPort" -}}
9787
{{- end }}
