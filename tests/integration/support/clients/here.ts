/** What no package brings, but this machine may have: it is lent to an image, as it is. */
import { NOT_AN_API, NOT_A_REGISTRY, type Row, row } from './row.ts';

export const HERE: readonly Row[] = [
  row(
    'gcloud',
    'echo none > token; CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$PWD/token CLOUDSDK_CORE_PROJECT=x CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="$U/" timeout 40 /usr/lib/google-cloud-sdk/bin/gcloud storage buckets list',
    {
      ...NOT_AN_API,
      image: 'here',
      lent: ['bin/gcloud', 'lib', 'properties'].map((name) => `/usr/lib/google-cloud-sdk/${name}`),
    },
  ),
  row(
    'terraform',
    `printf 'terraform {\\nrequired_providers {\\nx = { source = "api.anthropic.com/no/thing" }\\n}\\n}\\n' > main.tf; /usr/local/bin/terraform init`,
    { ...NOT_A_REGISTRY, path: '/.well-known/terraform.json', image: 'here', lent: ['/usr/local/bin/terraform'] },
  ),
];
