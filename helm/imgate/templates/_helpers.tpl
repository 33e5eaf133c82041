{{/* Names. The longest ending, -injector-selfsigned, still makes a name of 63 characters. */}}
{{- define "imgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 43 | trimSuffix "-" -}}
{{- end }}

{{- define "imgate.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 43 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "imgate.injector.name" -}}{{ include "imgate.fullname" . }}-injector{{- end }}
{{- define "imgate.injector.tls" -}}{{ include "imgate.fullname" . }}-injector-tls{{- end }}
{{- define "imgate.sidecar.name" -}}{{ include "imgate.fullname" . }}-sidecar{{- end }}
{{- define "imgate.gate.name" -}}{{ include "imgate.fullname" . }}-gate{{- end }}

{{- define "imgate.injector.serviceAccount" -}}
{{- $account := .Values.injector.serviceAccount -}}
{{- default (ternary (include "imgate.injector.name" .) "default" $account.create) $account.name -}}
{{- end }}

{{- define "imgate.gate.serviceAccount" -}}
{{- $account := .Values.gate.serviceAccount -}}
{{- default (ternary (include "imgate.gate.name" .) "default" $account.create) $account.name -}}
{{- end }}

{{/* What selects a component; never changes, as selectors cannot be. Takes (list $ component). */}}
{{- define "imgate.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "imgate.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object. Takes (list $ component), or (list $ component labels). */}}
{{- define "imgate.labels" -}}
{{- $ := index . 0 -}}
{{- $own := include "imgate.selector" . | fromYaml -}}
{{- $own = merge $own (dict
      "app.kubernetes.io/managed-by" $.Release.Service
      "app.kubernetes.io/part-of" "imgate"
      "app.kubernetes.io/version" $.Chart.AppVersion
      "helm.sh/chart" (printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")) -}}
{{- $more := dict -}}
{{- if gt (len .) 2 }}{{ $more = index . 2 | default dict }}{{ end -}}
{{- toYaml (merge $own $more $.Values.commonLabels) -}}
{{- end }}

{{/*
Labels of pods of ours. No version of the chart: it would restart gates, and end sockets, for nothing. They are never injected: the
injector would wait for itself. Takes (list $ component labels).
*/}}
{{- define "imgate.podLabels" -}}
{{- $ := index . 0 -}}
{{- $own := include "imgate.selector" . | fromYaml -}}
{{- $own = merge $own (dict "app.kubernetes.io/part-of" "imgate" "imgate.dev/inject" "disabled") -}}
{{- toYaml (merge $own (index . 2 | default dict) $.Values.commonLabels) -}}
{{- end }}

{{/* An image; the digest counts more than the tag. Takes (list $ image). */}}
{{- define "imgate.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- if $image.registry }}{{ $name = printf "%s/%s" $image.registry $image.repository }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/* Seconds of a duration such as 90s, 2m or 1h. */}}
{{- define "imgate.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | atoi -}}
{{- if hasSuffix "h" . -}}{{ mul $number 3600 }}{{- else if hasSuffix "m" . -}}{{ mul $number 60 }}{{- else -}}{{ $number }}{{- end -}}
{{- end }}

{{/* A preference for different nodes. Takes (list $ component). */}}
{{- define "imgate.antiAffinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "imgate.selector" . | nindent 12 }}
{{- end }}

{{/* An address to listen at. Takes (list host port). */}}
{{- define "imgate.address" -}}
{{- $host := index . 0 -}}
{{- printf (contains ":" $host | ternary "[%s]:%d" "%s:%d") $host (index . 1 | int) -}}
{{- end }}

{{/* Whether the second lock is there. */}}
{{- define "imgate.policy" -}}
{{- $enabled := toString .Values.validatingAdmissionPolicy.enabled -}}
{{- $known := semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{- if and (eq $enabled "true") (not $known) -}}
{{- fail (printf "validatingAdmissionPolicy.enabled is true, but Kubernetes %s has no ValidatingAdmissionPolicy (1.30 has): set it to auto or false" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and .Values.injector.enabled $known (has $enabled (list "auto" "true")) -}}true{{- end -}}
{{- end }}

{{/* PEM or base64 as base64. */}}
{{- define "imgate.caBundle" -}}
{{- if hasPrefix "-----BEGIN" (trim .) -}}{{ printf "%s\n" (trim .) | b64enc }}{{- else -}}{{ . | replace "\n" "" | replace " " "" }}{{- end -}}
{{- end }}

{{/* A configuration as text: it is a map, or text already. */}}
{{- define "imgate.configText" -}}
{{- if kindIs "string" . -}}{{ trimSuffix "\n" . }}{{- else -}}{{ toYaml . }}{{- end -}}
{{- end }}

{{/* Combinations that would leave a door open, or never work. */}}
{{- define "imgate.check" -}}
{{- if .Values.injector.enabled -}}
{{- $tls := .Values.injector.tls -}}
{{- if eq $tls.source "existingSecret" -}}
{{- if not $tls.existingSecret -}}
{{- fail "injector.tls.existingSecret is required with injector.tls.source=existingSecret: the name of a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if not (or $tls.caBundle .Values.injector.webhook.annotations) -}}
{{- fail "injector.tls.caBundle is required with injector.tls.source=existingSecret: the certificate authority that the API server shall believe (or an annotation in injector.webhook.annotations by which somebody enters it)" -}}
{{- end -}}
{{- else if or $tls.existingSecret $tls.caBundle -}}
{{- fail (printf "injector.tls.existingSecret and injector.tls.caBundle count only with injector.tls.source=existingSecret, and it is %s" $tls.source) -}}
{{- end -}}
{{- if and (eq .Values.injector.webhook.failurePolicy "Ignore") (not (and (include "imgate.policy" .) (has "Deny" .Values.validatingAdmissionPolicy.validationActions))) -}}
{{- fail "injector.webhook.failurePolicy=Ignore would start chat servers without their gate while the injector is away: it is accepted only together with validatingAdmissionPolicy (Kubernetes 1.30 and later, validationActions with Deny)" -}}
{{- end -}}
{{- end -}}
{{- if .Values.gate.enabled -}}
{{- if and .Values.gate.config .Values.gate.existingConfigMap -}}
{{- fail "gate.config and gate.existingConfigMap exclude each other" -}}
{{- end -}}
{{- if not (or .Values.gate.config .Values.gate.existingConfigMap) -}}
{{- fail "gate.enabled needs gate.config (a map that becomes imgate.yaml) or gate.existingConfigMap" -}}
{{- end -}}
{{- end -}}
{{- end }}
