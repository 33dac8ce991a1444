{{/* How services find and use RabbitMQ, MySQL, MongoDB and Redis. */}}

{{/*
Servers of each process, as a JSON list: (dict "process" "gateway"). Processes are the services, the
migration, and the setup of the log.
*/}}
{{- define "madang.serversOf" -}}
{{- $servers := dict
  "gateway" (list "rabbitmq" "redis")
  "auth" (list "rabbitmq" "redis")
  "rooms" (list "rabbitmq" "mysql")
  "history" (list "rabbitmq" "mongodb")
  "migration" (list "mysql")
  "setup" (list "rabbitmq") -}}
{{- index $servers .process | toJson -}}
{{- end -}}

{{/*
What a process uses of a server, as JSON: (dict "root" $ "server" "mysql" "process" "rooms").
Its own user's values take precedence over the server's; trial servers replace both.
*/}}
{{- define "madang.server" -}}
{{- $values := index .root.Values .server -}}
{{- /* The name of the process's user in values and in the trial Secret. */ -}}
{{- $name := eq .process "migration" | ternary "migrate" .process -}}
{{- $tls := $values.tls.enabled -}}
{{- $ports := dict "rabbitmq" (ternary 5671 5672 $tls) "mysql" 3306 "mongodb" 27017 "redis" 6379 -}}
{{- $prefixes := dict "rabbitmq" "AMQP" "mysql" "DATABASE" "mongodb" "MONGO" "redis" "REDIS" -}}
{{- $result := dict "name" .server "prefix" (index $prefixes .server) "defaultPort" (index $ports .server) -}}
{{- $_ := set $result "hostSetting" (printf "%s_%s" $result.prefix (has .server (list "rabbitmq" "mongodb") | ternary "HOSTS" "HOST")) -}}
{{- if .root.Values.trial.enabled -}}
  {{- $users := dict "rabbitmq" (printf "madang-%s" $name) "mysql" (printf "madang_%s" $name) "mongodb" "madang_history" "redis" "" -}}
  {{- $key := has .server (list "rabbitmq" "mysql" "mongodb") | ternary (printf "%s-%s" .server $name) "redis" -}}
  {{- $result = merge $result (dict
    "hosts" (list (printf "%s-%s" (include "madang.fullname" .root) .server))
    "port" (index $ports .server)
    "username" (index $users .server)
    "secret" (include "madang.trialSecret" .root)
    "keys" (dict "url" "" "host" "" "port" "" "username" "" "password" $key)
    "tls" false "ca" "") -}}
{{- else -}}
  {{- $user := dig "users" $name (dict) $values -}}
  {{- $hosts := $values.hosts | default (compact (list $values.host)) -}}
  {{- $result = merge $result (dict
    "hosts" $hosts
    "port" ($values.port | default 0)
    "username" ($user.username | default $values.username)
    "secret" ($user.existingSecret | default $values.existingSecret)
    "keys" (merge (dict) ($user.secretKeys | default dict) $values.secretKeys)
    "tls" $tls "ca" $values.tls.existingSecret) -}}
  {{- include "madang.checkServer" (dict "root" .root "server" .server "process" $name "result" $result) -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{- define "madang.checkServer" -}}
{{- $setting := eq .server "mysql" | ternary "mysql.host" (eq .server "redis" | ternary "redis.host" (printf "%s.hosts" .server)) -}}
{{- $own := hasKey (index .root.Values .server) "users" | ternary (printf " or %s.users.%s.existingSecret" .server .process) "" -}}
{{- if not .result.secret -}}
  {{- fail (printf "%s.existingSecret%s is required: a Secret with the password or URL of %s for %s. To try Madang out, set trial.enabled=true instead." .server $own .server .process) -}}
{{- end -}}
{{- if not (or .result.keys.url .result.hosts .result.keys.host (and (eq .server "redis") .root.Values.redis.sentinel.hosts)) -}}
  {{- fail (printf "%s is required, or %s.secretKeys.host or %s.secretKeys.url with the key of an existing Secret." $setting .server .server) -}}
{{- end -}}
{{- end -}}

{{/* Environment for a process's server, passwords as files: see "madang.server" for the argument. */}}
{{- define "madang.serverEnvironment" -}}
{{- $s := include "madang.server" . | fromJson -}}
{{- $folder := printf "/run/secrets/madang/credentials/%s" .server -}}
{{- if $s.keys.url }}
- name: MADANG_{{ $s.prefix }}_URL_FILE
  value: {{ $folder }}/url
{{- else }}
{{- $sentinels := and (eq .server "redis") (not .root.Values.trial.enabled) | ternary .root.Values.redis.sentinel.hosts list }}
{{- if $sentinels }}
- name: MADANG_REDIS_SENTINELS
  value: {{ join "," $sentinels | quote }}
- name: MADANG_REDIS_PRIMARY
  value: {{ .root.Values.redis.sentinel.primary | quote }}
{{- with .root.Values.redis.sentinel.username }}
- name: MADANG_REDIS_SENTINEL_USER
  value: {{ . | quote }}
{{- end }}
{{- if $s.keys.sentinelPassword }}
- name: MADANG_REDIS_SENTINEL_PASSWORD_FILE
  value: {{ $folder }}/sentinel-password
{{- end }}
{{- else }}
- name: MADANG_{{ $s.hostSetting }}
  {{- if $s.hosts }}
  value: {{ join "," $s.hosts | quote }}
  {{- else }}
  {{- include "madang.fromSecret" (dict "secret" $s.secret "key" $s.keys.host) | nindent 2 }}
  {{- end }}
- name: MADANG_{{ $s.prefix }}_PORT
  {{- if or $s.port $s.hosts (not $s.keys.port) }}
  value: {{ $s.port | default $s.defaultPort | int | quote }}
  {{- else }}
  {{- include "madang.fromSecret" (dict "secret" $s.secret "key" $s.keys.port) | nindent 2 }}
  {{- end }}
{{- end }}
{{- if or $s.username $s.keys.username }}
- name: MADANG_{{ $s.prefix }}_USER
  {{- if $s.username }}
  value: {{ $s.username | quote }}
  {{- else }}
  {{- include "madang.fromSecret" (dict "secret" $s.secret "key" $s.keys.username) | nindent 2 }}
  {{- end }}
{{- end }}
- name: MADANG_{{ $s.prefix }}_PASSWORD_FILE
  value: {{ $folder }}/password
{{- if $s.tls }}
- name: MADANG_{{ $s.prefix }}_TLS
  value: "true"
{{- end }}
{{- include (printf "madang.%sEnvironment" .server) . }}
{{- end }}
{{- if and $s.tls $s.ca }}
- name: MADANG_{{ $s.prefix }}_CA_FILE
  value: {{ $folder }}/ca.crt
{{- end }}
{{- if eq .server "mongodb" }}
- name: MADANG_MONGO_DATABASE
  value: {{ .root.Values.mongodb.database | quote }}
{{- end }}
{{- end -}}

{{- define "madang.fromSecret" -}}
valueFrom:
  secretKeyRef:
    name: {{ .secret | quote }}
    key: {{ .key | quote }}
{{- end -}}

{{- define "madang.rabbitmqEnvironment" }}
- name: MADANG_AMQP_VHOST
  value: {{ .root.Values.rabbitmq.vhost | quote }}
{{- end -}}

{{- define "madang.mysqlEnvironment" }}
- name: MADANG_DATABASE_NAME
  value: {{ .root.Values.mysql.database | quote }}
{{- end -}}

{{- define "madang.mongodbEnvironment" }}
{{- $values := .root.Values.mongodb }}
- name: MADANG_MONGO_AUTH_SOURCE
  value: {{ .root.Values.trial.enabled | ternary "admin" $values.authSource | quote }}
{{- with .root.Values.trial.enabled | ternary "madang" $values.replicaSet }}
- name: MADANG_MONGO_REPLICA_SET
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "madang.redisEnvironment" }}
- name: MADANG_REDIS_DATABASE
  value: {{ .root.Values.redis.database | int | quote }}
{{- end -}}

{{/* Sources of the volume with credentials: the same argument. */}}
{{- define "madang.serverCredentials" -}}
{{- $s := include "madang.server" . | fromJson }}
- secret:
    name: {{ $s.secret | quote }}
    items:
      {{- if $s.keys.url }}
      - {key: {{ $s.keys.url | quote }}, path: {{ .server }}/url}
      {{- else }}
      - {key: {{ $s.keys.password | quote }}, path: {{ .server }}/password}
      {{- with $s.keys.sentinelPassword }}
      - {key: {{ . | quote }}, path: {{ $.server }}/sentinel-password}
      {{- end }}
      {{- end }}
{{- if and $s.tls $s.ca }}
- secret:
    name: {{ $s.ca | quote }}
    items:
      - {key: {{ (index .root.Values .server).tls.key | quote }}, path: {{ .server }}/ca.crt}
{{- end }}
{{- end -}}

{{/* Ports of a server, as a JSON list, for NetworkPolicies: the same argument. */}}
{{- define "madang.serverPorts" -}}
{{- $s := include "madang.server" . | fromJson -}}
{{- $default := $s.port | default $s.defaultPort | int -}}
{{- $ports := list -}}
{{- range $s.hosts -}}
  {{- $ports = append $ports (regexMatch "^[^:]+:[0-9]+$" . | ternary (splitList ":" . | last | int) $default) -}}
{{- end -}}
{{- if not $s.hosts }}{{ $ports = append $ports $default }}{{ end -}}
{{- /* Only the URL says whether it is TLS. */ -}}
{{- if and $s.keys.url (eq .server "rabbitmq") (not $s.port) }}{{ $ports = list 5671 5672 }}{{ end -}}
{{- if and (eq .server "redis") (not .root.Values.trial.enabled) -}}
  {{- range .root.Values.redis.sentinel.hosts -}}
    {{- $ports = append $ports (regexMatch "^[^:]+:[0-9]+$" . | ternary (splitList ":" . | last | int) 26379) -}}
  {{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
