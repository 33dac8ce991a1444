{{/*
The pod of a Job, on a service's image: (dict "root" $ "component" label "service" "rooms" "process"
name-or-empty "args" list "command" list "env" list "resources" map "token" bool "volumes" list
"mounts" list). `process` selects the servers whose credentials are mounted (_servers.tpl).
*/}}
{{- define "madang.jobPod" -}}
{{- $root := .root -}}
{{- $service := index .root.Values .service -}}
metadata:
  {{- include "madang.podMetadata" (dict "root" $root "component" .component) | nindent 2 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: {{ .token | default false }}
  enableServiceLinks: false
  serviceAccountName: {{ .token | default false | ternary (printf "%s-%s" (include "madang.fullname" $root) .component) (include "madang.serviceAccount" (dict "root" $root "component" .service)) | quote }}
  securityContext:
    {{- toYaml $root.Values.pods.securityContext | nindent 4 }}
  {{- with include "madang.scheduling" (dict "root" $root "values" $service) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "madang.image" (dict "root" $root "image" $service.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- with .command }}
      command: {{ toJson . }}
      {{- end }}
      {{- with .args }}
      args: {{ toJson . }}
      {{- end }}
      {{- with concat $root.Values.pods.envFrom $service.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if .process }}
      {{- include "madang.environment" (dict "root" $root "process" .process "values" $service) | nindent 6 }}
      {{- else if or .env $root.Values.pods.extraEnv }}
      env:
        {{- with $root.Values.pods.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- toYaml $root.Values.pods.containerSecurityContext | nindent 8 }}
      {{- if or .process .mounts $service.extraVolumeMounts }}
      volumeMounts:
        {{- if .process }}
        {{- include "madang.credentialsMount" $root | nindent 8 }}
        {{- end }}
        {{- with concat (.mounts | default list) $service.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
  {{- if or .process .volumes $service.extraVolumes }}
  volumes:
    {{- if .process }}
    {{- include "madang.credentialsVolume" . | nindent 4 }}
    {{- end }}
    {{- with concat (.volumes | default list) $service.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/*
An ordinary Job, not a hook: it also runs with `kubectl apply` and Argo CD, and beside trial servers.
A Job cannot be changed, so its name has a hash of its pod: a new image or setting makes a new Job.
The argument is that of "madang.jobPod", with "seconds", "backoffLimit" and "annotations".
*/}}
{{- define "madang.job" -}}
{{- $pod := include "madang.jobPod" . -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- $name := printf "%s-%s" .component ($pod | sha256sum | trunc 8) }}
  {{- include "madang.metadata" (dict "root" .root "component" .component "name" $name "annotations" .annotations) | nindent 2 }}
spec:
  backoffLimit: {{ .backoffLimit | default 10 }}
  activeDeadlineSeconds: {{ .seconds | int }}
  template:
    {{- $pod | nindent 4 }}
{{- end -}}
