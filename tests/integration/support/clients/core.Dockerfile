# Programs of many kinds that speak HTTPS, each as its users install it, for the table in rows.ts. Versions are pinned: what is
# seen to work is seen of these.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS system
# Of Docker only its client: the package would bring the engine along.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends >/dev/null \
      aria2 bundler composer gh git-lfs httpie libatomic1 libio-socket-ssl-perl libwww-perl lynx openssh-client php-cli \
      php-curl postgresql-client python3-pip python3-venv ruby w3m wget \
 && cd /tmp && apt-get download -qq docker.io && dpkg -x docker.io_*.deb docker && mv docker/usr/bin/docker /usr/bin/ && rm -r docker* \
 && rm -rf /var/lib/apt/lists/*

# What is fetched by TLS is fetched here: the bundle of the machine that builds never gets into the image itself.
FROM system AS fetch
COPY host-ca.crt /tmp/host-ca.crt
ENV PIP_CERT=/tmp/host-ca.crt NODE_EXTRA_CA_CERTS=/tmp/host-ca.crt
RUN mkdir /opt/js && cd /opt/js && echo '{"private":true}' > package.json \
 && npm install --silent --no-audit --no-fund --no-update-notifier \
      @anthropic-ai/sdk@1.12.0 @google/genai@3.1.0 @grpc/grpc-js@1.14.7 axios@1.21.1 bun@1.4.5 deno@2.9.6 got@16.1.0 \
      node-fetch@3.3.2 node20@npm:node@20.20.2 node22@npm:node@22.23.3 node26@npm:node@26.10.0 npm12@npm:npm@12.2.0 \
      openai@7.57.0 pnpm@12.21.0 undici@8.12.4 undici7@npm:undici@7.30.2 ws@8.23.0 yarn@1.22.22 yarn4@npm:@yarnpkg/cli-dist@4.18.1
RUN python3 -m venv /opt/py && /opt/py/bin/pip install --quiet --no-cache-dir --disable-pip-version-check \
      aiohttp==3.14.5 anthropic==2.12.0 boto3==1.44.5 curl_cffi==0.16.3 grpcio==1.85.1 httpie==3.2.4 httplib2==0.32.1 httpx[http2]==0.28.1 \
      niquests==3.21.2 openai==3.54.0 pip==26.3 poetry==2.5.1 PySocks==1.7.1 requests==2.34.2 urllib3==2.8.0 uv==0.13.9 websocket-client==1.9.2 \
      websockets==17.4

FROM system
COPY --from=fetch /opt /opt
# Nobody in particular, who may write nothing of the image.
USER 1234:1234
