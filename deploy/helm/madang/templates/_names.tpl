{{/* Names, labels and images. */}}

{{- define "madang.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Prefix of all names; short enough for the longest suffix within 63 characters. */}}
{{- define "madang.fullname" -}}
{{- $name := include "madang.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full = .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) -}}
{{- fail (printf "fullnameOverride: %s cannot begin the names of Services. Set it to a name of lower-case letters, digits and - that begins with a letter." $full) -}}
{{- end -}}
{{- $full -}}
{{- end -}}

{{/* Labels that select the pods of a component: (dict "root" $ "component" "gateway"). */}}
{{- define "madang.selector" -}}
app.kubernetes.io/name: {{ include "madang.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of an object: (dict "root" $ "component" "gateway" "extra" map). */}}
{{- define "madang.labels" -}}
{{- $labels := include "madang.selector" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "madang" -}}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_")) -}}
{{- merge $labels (.extra | default dict) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/*
Metadata of an object, to be indented by two: (dict "root" $ "component" "gateway" "name" "gateway"
"labels" map "annotations" map). The name gets the release's prefix; without one it is the prefix.
*/}}
{{- define "madang.metadata" -}}
name: {{ include "madang.fullname" .root }}{{ with .name }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "madang.labels" (dict "root" .root "component" .component "extra" .labels) | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Reference of a service's image: (dict "root" $ "image" map). */}}
{{- define "madang.image" -}}
{{- $defaults := pick .root.Values.image "registry" "tag" -}}
{{- $image := merge (dict) .image -}}
{{- $_ := set $image "registry" (.image.registry | default $defaults.registry) -}}
{{- if not .image.digest -}}
  {{- $_ := set $image "tag" (.image.tag | default $defaults.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- include "madang.imageReference" $image -}}
{{- end -}}

{{/* Reference of an image, by its values alone. Without a registry the node's default one is meant. */}}
{{- define "madang.imageReference" -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository -}}
{{- with .tag }}:{{ . }}{{ end -}}
{{- with .digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Name of a component's ServiceAccount: (dict "root" $ "component" "gateway"). */}}
{{- define "madang.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if not (or $account.create $account.name) -}}
{{- fail (printf "%s.serviceAccount.name is required where create is false." .component) -}}
{{- end -}}
{{- $account.name | default (printf "%s-%s" (include "madang.fullname" .root) .component) -}}
{{- end -}}

{{/* How clients reach Madang: httpRoute, ingress, nginx or none. */}}
{{- define "madang.exposeMode" -}}
{{- .Values.expose.mode | default (ternary "nginx" "httpRoute" .Values.trial.enabled) -}}
{{- end -}}

{{/* "true" if web runs. */}}
{{- define "madang.webEnabled" -}}
{{- $mode := include "madang.exposeMode" . -}}
{{- if or (eq $mode "nginx") (and .Values.web.enabled (ne $mode "none")) }}true{{ end -}}
{{- end -}}

{{/* Names of the components that run, as a JSON list. */}}
{{- define "madang.components" -}}
{{- $all := list "gateway" "auth" "rooms" "history" -}}
{{- if include "madang.webEnabled" . }}{{ $all = append $all "web" }}{{ end -}}
{{- toJson $all -}}
{{- end -}}

{{- define "madang.serviceSecrets" -}}
{{- .Values.serviceSecrets.existingSecret | default (printf "%s-services" (include "madang.fullname" .)) -}}
{{- end -}}

{{- define "madang.signingKeys" -}}
{{- .Values.signingKeys.existingSecret | default (printf "%s-signing-keys" (include "madang.fullname" .)) -}}
{{- end -}}

{{- define "madang.trialSecret" -}}
{{- .Values.trial.existingSecret | default (printf "%s-trial" (include "madang.fullname" .)) -}}
{{- end -}}

{{- define "madang.tlsSecret" -}}
{{- .Values.expose.nginx.tls.existingSecret | default (printf "%s-tls" (include "madang.fullname" .)) -}}
{{- end -}}

{{/* Names of web's Service inside the cluster, as a JSON list. */}}
{{- define "madang.webNames" -}}
{{- $service := printf "%s-web" (include "madang.fullname" .) -}}
{{- list $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc" $service .Release.Namespace) | toJson -}}
{{- end -}}

{{/* Type of the bundled nginx's Service. */}}
{{- define "madang.nginxServiceType" -}}
{{- .Values.expose.nginx.service.type | default (ternary "ClusterIP" "LoadBalancer" .Values.trial.enabled) -}}
{{- end -}}
