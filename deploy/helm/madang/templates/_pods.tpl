{{/* What the pods of services and jobs have in common. */}}

{{/* Fields of a pod about where it runs: (dict "root" $ "values" map-or-empty). */}}
{{- define "madang.scheduling" -}}
{{- $pods := .root.Values.pods -}}
{{- $values := .values | default dict -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector | default $pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations | default $pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity | default $pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName | default $pods.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $pods.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Spread over nodes and zones, as far as possible: (dict "root" $ "component" "gateway"). */}}
{{- define "madang.spread" -}}
{{- $constraints := (index .root.Values .component).topologySpreadConstraints -}}
topologySpreadConstraints:
{{- if $constraints }}
  {{- toYaml $constraints | nindent 2 }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "madang.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a pod: (dict "root" $ "component" "gateway" "values" map "checksum" text). */}}
{{- define "madang.podMetadata" -}}
{{- $values := .values | default dict -}}
labels:
  {{- $extra := merge (dict) ($values.podLabels | default dict) .root.Values.pods.labels }}
  {{- include "madang.labels" (dict "root" .root "component" .component "extra" $extra) | nindent 2 }}
{{- $annotations := merge (dict) ($values.podAnnotations | default dict) .root.Values.pods.annotations .root.Values.commonAnnotations }}
{{- with .checksum }}{{ $_ := set $annotations "checksum/config" . }}{{ end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Services whose secret a process has, as a JSON list: auth has all, others their own. */}}
{{- define "madang.serviceSecretsOf" -}}
{{- $secrets := dict
  "auth" (list "gateway" "rooms" "history")
  "gateway" (list "gateway")
  "rooms" (list "rooms")
  "history" (list "history")
  "migration" (list "rooms")
  "setup" list -}}
{{- index $secrets .process | toJson -}}
{{- end -}}

{{/* Environment of a process: (dict "root" $ "process" "gateway" "values" map). */}}
{{- define "madang.environment" -}}
{{- $folder := "/run/secrets/madang/credentials/services" -}}
{{- $secrets := include "madang.serviceSecretsOf" . | fromJsonArray -}}
env:
  {{- if eq .process "auth" }}
  - name: MADANG_SERVICE_SECRETS_DIR
    value: {{ $folder }}
  {{- else if $secrets }}
  - name: MADANG_SERVICE_CLIENT_SECRET_FILE
    value: {{ $folder }}/{{ first $secrets }}
  {{- end }}
  {{- range include "madang.serversOf" . | fromJsonArray }}
  {{- include "madang.serverEnvironment" (merge (dict "server" .) $) | trim | nindent 2 }}
  {{- end }}
  {{- with concat .root.Values.pods.extraEnv (.values.extraEnv | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Sources of environment: (dict "root" $ "configMap" name "values" map). */}}
{{- define "madang.environmentSources" -}}
envFrom:
  - configMapRef:
      name: {{ include "madang.fullname" .root }}-{{ .configMap }}
  {{- with concat .root.Values.pods.envFrom (.values.envFrom | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Volume with the passwords, URLs and CAs of a process: (dict "root" $ "process" "gateway"). */}}
{{- define "madang.credentialsVolume" -}}
- name: credentials
  projected:
    defaultMode: 0440
    sources:
      {{- with include "madang.serviceSecretsOf" . | fromJsonArray }}
      - secret:
          name: {{ include "madang.serviceSecrets" $.root | quote }}
          items:
            {{- range . }}
            - {key: {{ . }}, path: services/{{ . }}}
            {{- end }}
      {{- end }}
      {{- range include "madang.serversOf" . | fromJsonArray }}
      {{- include "madang.serverCredentials" (merge (dict "server" .) $) | trim | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "madang.credentialsMount" -}}
- name: credentials
  mountPath: /run/secrets/madang/credentials
  readOnly: true
{{- end -}}

{{/* A probe: (dict "path" "/health/live" "port" "http" "fields" map-with-defaults "override" map). */}}
{{- define "madang.probe" -}}
{{- $get := dict "path" .path "port" "http" -}}
{{- $probe := merge (dict) .override (dict "httpGet" $get) .fields -}}
{{- toYaml $probe -}}
{{- end -}}

{{/* Seconds that a pod has to stop: (dict "values" map). */}}
{{- define "madang.graceSeconds" -}}
{{- add (.values.preStopSeconds | int) (.values.drainSeconds | default 0 | int) (.values.stopMarginSeconds | int) -}}
{{- end -}}

{{/* Deployment's fields about replacing pods. */}}
{{- define "madang.rollout" -}}
revisionHistoryLimit: 5
progressDeadlineSeconds: 900
strategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end -}}

{{/*
Init containers of a service: its own, with trial servers one that waits for them, and for rooms one
that waits for the migration.
*/}}
{{- define "madang.initContainers" -}}
{{- with .values.initContainers }}
{{ toYaml . }}
{{- end }}
{{- if .root.Values.trial.enabled }}
{{ include "madang.waitForServers" . }}
{{- end }}
{{- if eq .component "rooms" }}
- name: wait-for-schema
  image: {{ include "madang.image" (dict "root" .root "image" .values.image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [wait, --seconds, {{ .root.Values.migration.seconds | int | quote }}]
  {{- include "madang.environmentSources" . | nindent 2 }}
  {{- include "madang.environment" . | nindent 2 }}
  resources:
    {{- toYaml .values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .root.Values.pods.containerSecurityContext | nindent 4 }}
  volumeMounts:
    {{- include "madang.credentialsMount" .root | nindent 4 }}
    {{- with .values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/*
Replicas of a service. An autoscaler sets them; until it does, a Deployment whose replicas are removed
would get one. So an upgrade repeats the present number.
*/}}
{{- define "madang.replicas" -}}
{{- $scaling := .values.autoscaling | default dict -}}
{{- if $scaling.enabled -}}
  {{- $name := printf "%s-%s" (include "madang.fullname" .root) .component -}}
  {{- with lookup "apps/v1" "Deployment" .root.Release.Namespace $name -}}
    {{- max (.spec.replicas | int) $scaling.minReplicas -}}
  {{- end -}}
{{- else -}}
  {{- .values.replicas -}}
{{- end -}}
{{- end -}}
