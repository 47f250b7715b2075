{{/* What does not go together, or is not there, said before anything is changed. */}}

{{- define "tminus.check" -}}
{{- $direct := eq .Values.sockets.mode "direct" -}}
{{- if and .Values.ingress.enabled .Values.gateway.enabled -}}
{{- fail "ingress.enabled and gateway.enabled: choose one" -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.gateway.enabled $direct .Values.auditor.canary) (not .Values.page.host) -}}
{{- fail "page.host is not set: the host name that people open" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs is not set: the gateways that the route belongs to" -}}
{{- end -}}
{{- with .Values.sockets.direct -}}
{{- if and $direct (not .host) -}}
{{- fail "sockets.direct.host is not set: the host name of the load balancer of the coordinators" -}}
{{- end -}}
{{- if and $direct (eq (include "tminus.pageIsHttps" $) "true") (not (or .tlsSecret .tlsAtBalancer)) -}}
{{- fail "sockets.direct.tlsSecret is not set: a page over HTTPS needs sockets with TLS (or tlsAtBalancer)" -}}
{{- end -}}
{{- end -}}
{{- if .Values.nats.enabled -}}
{{- $servers := ternary (int .Values.nats.config.cluster.replicas) 1 .Values.nats.config.cluster.enabled -}}
{{- if gt (int .Values.stream.replicas) $servers -}}
{{- fail (printf "stream.replicas is %d, and NATS has %d server(s)" (int .Values.stream.replicas) $servers) -}}
{{- end -}}
{{- else if not .Values.bus.url -}}
{{- fail "bus.url is not set: the NATS servers, since nats.enabled is false" -}}
{{- end -}}
{{- include "tminus.checkSecrets" . -}}
{{- end }}

{{/* Rendering alone sees no cluster, where a namespace would have its account `default`. */}}
{{- define "tminus.checkSecrets" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" -}}
{{- $keys := list "CLUSTER_PASSWORD" "OPERATOR_PASSWORD" -}}
{{- if not .Values.nats.enabled -}}
{{- $keys = list -}}
{{- end -}}
{{- range $component := concat (list "scheduler" "coordinator" "frontend") (ternary (list "auditor") list (or .Values.nats.enabled .Values.auditor.enabled)) -}}
{{- $keys = append $keys (printf "%s_PASSWORD" (upper $component)) -}}
{{- end -}}
{{- include "tminus.checkSecret" (list . .Values.global.tminus.passwords $keys) -}}
{{- if not .Values.control.anybody -}}
{{- include "tminus.checkSecret" (list . .Values.control.secret (list "CONTROL_TOKEN")) -}}
{{- end -}}
{{- if include "tminus.socketsSpeakTls" . -}}
{{- include "tminus.checkSecret" (list . .Values.sockets.direct.tlsSecret (list "tls.crt" "tls.key")) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tminus.checkSecret" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace $name -}}
{{- if not $secret -}}
{{- fail (printf "there is no Secret %s in the namespace %s: docs/kubernetes.md says how to make it" $name $root.Release.Namespace) -}}
{{- end -}}
{{- range $key := index . 2 -}}
{{- if not (get ($secret.data | default dict) $key) -}}
{{- fail (printf "the Secret %s has no key %s" $name $key) -}}
{{- end -}}
{{- end -}}
{{- end }}
