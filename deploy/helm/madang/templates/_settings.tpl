{{/* Settings in ConfigMaps. */}}

{{/* Settings of a service as data of a ConfigMap: (dict "root" $ "component" "gateway"). */}}
{{- define "madang.settings" -}}
{{- $values := .root.Values -}}
{{- $name := include "madang.fullname" .root -}}
{{- $hosts := append $values.publicHosts (printf "%s-%s" $name .component) -}}
{{- if eq (include "madang.exposeMode" .root) "nginx" -}}
  {{- $hosts = concat $hosts (include "madang.webNames" .root | fromJsonArray) | uniq -}}
{{- end -}}
{{- $data := dict
  "MADANG_LOG_LEVEL" $values.log.level
  "MADANG_LOG_SHARDS" ($values.log.shards | int | toString)
  "MADANG_LOG_EPOCH" ($values.log.epoch | int | toString)
  "MADANG_ALLOWED_HOSTS" (join "," $hosts)
  "MADANG_ALLOWED_ORIGINS" (join "," $values.allowedOrigins)
  "MADANG_PROXY_ADDRESSES" (join "," $values.proxyAddresses)
  "MADANG_AUTH_URL" (printf "http://%s-auth:8000" $name)
  "MADANG_ROOMS_URL" (printf "http://%s-rooms:8000" $name)
  "MADANG_HISTORY_URL" (printf "http://%s-history:8000" $name) -}}
{{- if eq .component "gateway" -}}
  {{- $_ := set $data "MADANG_DRAIN_SECONDS" ($values.gateway.drainSeconds | toString) -}}
{{- else if eq .component "auth" -}}
  {{- $_ := set $data "MADANG_SIGNING_KEYS_DIR" "/run/secrets/madang/signing-keys" -}}
{{- end -}}
{{- range $key, $value := merge (dict) (index $values .component).settings $values.settings -}}
  {{- include "madang.checkSetting" $key -}}
  {{- $_ := set $data $key (include "madang.text" $value) -}}
{{- end -}}
{{- toYaml $data -}}
{{- end -}}

{{/* Refuse settings that other values set. */}}
{{- define "madang.checkSetting" -}}
{{- $values := dict
  "MADANG_DRAIN_SECONDS" "gateway.drainSeconds"
  "MADANG_LOG_SHARDS" "log.shards"
  "MADANG_LOG_EPOCH" "log.epoch"
  "MADANG_LOG_LEVEL" "log.level"
  "MADANG_ALLOWED_HOSTS" "publicHosts"
  "MADANG_ALLOWED_ORIGINS" "allowedOrigins"
  "MADANG_PROXY_ADDRESSES" "proxyAddresses"
  "MADANG_SIGNING_KEYS_DIR" "signingKeys.existingSecret"
  "MADANG_SERVICE_CLIENT_SECRET" "serviceSecrets.existingSecret"
  "MADANG_SERVICE_SECRETS" "serviceSecrets.existingSecret"
  "MADANG_AMQP_URL" "rabbitmq.secretKeys.url"
  "MADANG_AMQP_PASSWORD" "rabbitmq.existingSecret"
  "MADANG_DATABASE_URL" "mysql.secretKeys.url"
  "MADANG_DATABASE_PASSWORD" "mysql.existingSecret"
  "MADANG_MONGO_URL" "mongodb.secretKeys.url"
  "MADANG_MONGO_PASSWORD" "mongodb.existingSecret"
  "MADANG_REDIS_URL" "redis.secretKeys.url"
  "MADANG_REDIS_PASSWORD" "redis.existingSecret" -}}
{{- if eq . "MADANG_PORT" -}}
  {{- fail "settings: MADANG_PORT cannot be changed: Services, probes and NetworkPolicies use port 8000." -}}
{{- end -}}
{{- with index $values . -}}
  {{- fail (printf "settings: use %s instead of %s." . $) -}}
{{- end -}}
{{- end -}}

{{/* A value as text; large integers in a values file are floats, and would get an exponent. */}}
{{- define "madang.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}
