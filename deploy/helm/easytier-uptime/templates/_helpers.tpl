{{/* The beginning of all names. */}}
{{- define "easytier-uptime.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- trunc 46 $name | trimSuffix "-" -}}
{{- end }}

{{/* Labels of a component, which select its pods. Call it with a list: the context and the component. */}}
{{- define "easytier-uptime.labels" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "easytier-uptime.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "easytier-uptime.backend" -}}
{{ .Values.backendUrl | default (printf "http://%s-hub" (include "easytier-uptime.name" .)) }}
{{- end }}

{{/* What all pods have. Call it with a list: the context and the values of the component. */}}
{{- define "easytier-uptime.pod" -}}
automountServiceAccountToken: false
# Off, because the variables of services can look like settings.
enableServiceLinks: false
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with (index . 1).nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with (index . 1).tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{/* What all containers of the program have. Call it with the values of the component. */}}
{{- define "easytier-uptime.confined" -}}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* What serves HTTP has these. */}}
{{- define "easytier-uptime.health" -}}
ports: [{name: http, containerPort: 8080}]
readinessProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
# Not /health: a restart cures neither a full disk nor an unavailable database.
livenessProbe:
  tcpSocket: {port: http}
  periodSeconds: 30
  timeoutSeconds: 5
  failureThreshold: 10
{{- end }}

{{/* The variables of 'env', as elements of a list. */}}
{{- define "easytier-uptime.env" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}
