"""Posts the audit events of an EKS cluster from CloudWatch Logs to newterms.

A Lambda function (Python 3.9 or later, no libraries) for a subscription of the
log group /aws/eks/CLUSTER/cluster. CloudWatch hands over a batch of log lines,
packed; the function unpacks it and posts it as it is. An answer of 300 or more,
or none, is an error: Lambda then tries the batch again.

Environment:
  NEWTERMS_URL       https://ADDRESS:8443/kube.audit
  NEWTERMS_SERVER    the name in the aggregator's certificate, if ADDRESS is another
Files beside this one, which overlays/aggregator/certificates.sh makes:
  ca.crt, eks-lambda.crt, eks-lambda.key
"""
import base64
import gzip
import http.client
import json
import os
import ssl
import urllib.parse

here = os.path.dirname(os.path.abspath(__file__))


def handler(event, context):
    body = gzip.decompress(base64.b64decode(event["awslogs"]["data"]))
    if json.loads(body)["messageType"] != "DATA_MESSAGE":
        return  # CloudWatch tries whether the function is there
    url = urllib.parse.urlsplit(os.environ["NEWTERMS_URL"])
    tls = ssl.create_default_context(cafile=os.path.join(here, "ca.crt"))
    tls.load_cert_chain(os.path.join(here, "eks-lambda.crt"), os.path.join(here, "eks-lambda.key"))
    connection = Connection(url.hostname, url.port or 443, os.environ.get("NEWTERMS_SERVER") or url.hostname, tls)
    try:
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise RuntimeError("newterms answered %d" % response.status)


class Connection(http.client.HTTPSConnection):
    """A connection to an address, checked against a name."""

    def __init__(self, address, port, name, tls):
        super().__init__(address, port, timeout=20, context=tls)
        self.name, self.tls = name, tls

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.name)
