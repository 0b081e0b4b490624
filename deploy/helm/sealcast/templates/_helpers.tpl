{{- define "sealcast.name" -}}
{{- if contains "sealcast" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-sealcast" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "sealcast.selector" -}}
app.kubernetes.io/name: sealcast
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sealcast.labels" -}}
{{ include "sealcast.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "sealcast.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "sealcast.isSeveral" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}yes{{ end }}
{{- end }}

{{- define "sealcast.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "sealcast.name" .)) }}
{{- end }}

{{- /* Volumes and mounts of the server, and of its test. */ -}}
{{- define "sealcast.volumes" -}}
- name: config
  configMap:
    name: {{ include "sealcast.name" . }}
- name: secrets
  {{- if .Values.secrets.csi.enabled }}
  csi:
    driver: secrets-store.csi.k8s.io
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ required "secrets.csi.secretProviderClass is missing" .Values.secrets.csi.secretProviderClass }}
  {{- else }}
  secret:
    secretName: {{ include "sealcast.secretName" . }}
    defaultMode: 0440
  {{- end }}
{{- end }}

{{- define "sealcast.mounts" -}}
- { name: config, mountPath: /etc/sealcast, readOnly: true }
- { name: secrets, mountPath: /run/secrets/sealcast, readOnly: true }
{{- end }}

{{- define "sealcast.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "sealcast.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Mistakes in values that the schema cannot name. */ -}}
{{- define "sealcast.check" -}}
{{- if and (include "sealcast.isSeveral" .) (not .Values.cluster.enabled) }}
{{- fail "several replicas need cluster.enabled: alone, each would have clients and channels of its own" }}
{{- end }}
{{- if and .Values.cluster.enabled (not .Values.cluster.url) (not .Values.cluster.urlSecret.name) }}
{{- fail "cluster.enabled needs cluster.url or cluster.urlSecret.name" }}
{{- end }}
{{- if contains "@" .Values.cluster.url }}
{{- fail "cluster.url contains a login: put the URL into a Secret, and name it in cluster.urlSecret" }}
{{- end }}
{{- if and .Values.persistence.enabled .Values.cluster.enabled }}
{{- fail "persistence is for one server: nodes of a cluster have their keys in Redis" }}
{{- end }}
{{- if and .Values.secrets.existingSecret .Values.secrets.csi.enabled }}
{{- fail "secrets.existingSecret and secrets.csi exclude each other" }}
{{- end }}
{{- if and (not .Values.secrets.create) (not .Values.secrets.existingSecret) (not .Values.secrets.csi.enabled) }}
{{- fail "no secrets: set secrets.create, secrets.existingSecret or secrets.csi.enabled" }}
{{- end }}
{{- if regexMatch "(?m)^\\s*(secret|master_key|jwt_secret|admin_token|key)\\s*=\\s*[\"'](base64:|hex:|raw:)|(?m)^\\s*(secret|master_key|jwt_secret|admin_token)\\s*=" .Values.config }}
{{- fail "config contains a secret: use secret_file, master_key_file, jwt_secret_file or admin_token_file" }}
{{- end }}
{{- $need := add (int .Values.drainSeconds) (int .Values.preStopSeconds) 4 }}
{{- if gt $need (int64 .Values.terminationGracePeriodSeconds) }}
{{- fail (printf "terminationGracePeriodSeconds must be %d or more: drainSeconds, preStopSeconds and 4" $need) }}
{{- end }}
{{- end }}
