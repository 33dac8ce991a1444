{{/* What the trial servers have in common. */}}

{{/* Pod security context of a trial server; all official images have the user 999. */}}
{{- define "madang.trialSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
fsGroup: 999
# Otherwise files would become readable for the group at each start, which RabbitMQ refuses.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/*
A StatefulSet of one pod with a Service: (dict "root" $ "server" "redis" "port" 6379 "container" YAML
"init" YAML "volumes" YAML "dataPath" path "headless" bool).
*/}}
{{- define "madang.trialServer" -}}
{{- $root := .root -}}
{{- $values := index .root.Values.trial .server -}}
{{- $persistence := .root.Values.trial.persistence -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "madang.metadata" (dict "root" .root "component" .server "name" .server) | nindent 2 }}
spec:
  {{- if .headless }}
  # MongoDB finds itself by this name before it is ready.
  clusterIP: None
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- include "madang.selector" (dict "root" .root "component" .server) | nindent 4 }}
  ports:
    - {name: {{ .server }}, port: {{ .port }}, targetPort: server, protocol: TCP}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "madang.metadata" (dict "root" .root "component" .server "name" .server) | nindent 2 }}
spec:
  serviceName: {{ include "madang.fullname" .root }}-{{ .server }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "madang.selector" (dict "root" .root "component" .server) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- /* Without versions, so that an upgrade of Madang restarts as few servers as possible. */}}
        {{- $labels := include "madang.selector" (dict "root" .root "component" .server) | fromYaml }}
        {{- merge $labels .root.Values.pods.labels .root.Values.commonLabels | toYaml | nindent 8 }}
      {{- with merge (dict) .root.Values.pods.annotations .root.Values.commonAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        {{- include "madang.trialSecurity" .root | nindent 8 }}
      {{- with include "madang.scheduling" (dict "root" .root) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .init }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .server }}
          image: {{ include "madang.imageReference" $values.image }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          ports:
            - {name: server, containerPort: {{ .port }}, protocol: TCP}
          {{- .container | nindent 10 }}
          startupProbe:
            tcpSocket: {port: server}
            periodSeconds: 2
            failureThreshold: 150
          readinessProbe:
            tcpSocket: {port: server}
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe:
            tcpSocket: {port: server}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- toYaml .root.Values.pods.containerSecurityContext | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: {{ .dataPath }}}
            - {name: tmp, mountPath: /tmp}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
        {{- .volumes | nindent 8 }}
        {{- if not $persistence.enabled }}
        - {name: data, emptyDir: {}}
        {{- end }}
  {{- if $persistence.enabled }}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels:
          {{- include "madang.selector" (dict "root" .root "component" .server) | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $persistence.storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources: {requests: {storage: {{ $values.size }}}}
  {{- end }}
{{- end -}}

{{/* Volume with passwords of the trial Secret: (dict "root" $ "files" (dict "rooms" "mysql-rooms")). */}}
{{- define "madang.trialPasswords" -}}
- name: passwords
  secret:
    secretName: {{ include "madang.trialSecret" .root | quote }}
    defaultMode: 0440
    items:
      {{- range $file, $key := .files }}
      - {key: {{ $key }}, path: {{ $file }}}
      {{- end }}
{{- end -}}

{{/* A text as one word of a shell. */}}
{{- define "madang.quoted" -}}
'{{ replace "'" "'\\''" . }}'
{{- end -}}

{{/* An init container that writes a file for a server: (dict "root" $ "service" "rooms" "script" text). */}}
{{- define "madang.trialInit" -}}
- name: users
  image: {{ include "madang.image" (dict "root" .root "image" (index .root.Values .service).image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [sh, -euc, {{ .script | quote }}]
  resources:
    requests: {cpu: 50m, memory: 64Mi}
    limits: {cpu: 500m, memory: 256Mi}
  securityContext:
    {{- toYaml .root.Values.pods.containerSecurityContext | nindent 4 }}
  volumeMounts:
    - {name: passwords, mountPath: /run/secrets/madang/passwords, readOnly: true}
    - {name: users, mountPath: /run/users}
{{- end -}}

{{/* Init container of a service that waits until its trial servers listen: (dict "root" $ "process" "gateway"). */}}
{{- define "madang.waitForServers" -}}
- name: wait-for-servers
  image: {{ include "madang.image" (dict "root" .root "image" .values.image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command:
    - python
    - -c
    - |
      import socket, sys, time
      deadline = time.monotonic() + 600
      for address in sys.argv[1:]:
          host, port = address.rsplit(":", 1)
          while True:
              try:
                  socket.create_connection((host, int(port)), timeout=3).close()
                  break
              except OSError as error:
                  if time.monotonic() > deadline:
                      sys.exit(f"{address} did not listen in time: {error}")
                  time.sleep(0.5)
  args:
    {{- range include "madang.serversOf" . | fromJsonArray }}
    {{- $s := include "madang.server" (merge (dict "server" .) $) | fromJson }}
    - {{ printf "%s:%d" (first $s.hosts) (int $s.port) }}
    {{- end }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {cpu: 500m, memory: 64Mi}
  securityContext:
    {{- toYaml .root.Values.pods.containerSecurityContext | nindent 4 }}
{{- end -}}
