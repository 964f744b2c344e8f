# Beside the core: what this machine lends, where it lies there.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
USER 0:0
ADD lent.tar /
USER 1234:1234
