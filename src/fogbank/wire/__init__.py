"""AWS's wire: bytes to members and members to bytes, for every operation botocore has a model of.

Driven by data: no module here knows a service by name. What AWS's models lack stands in `overlay.json`.
Pure: no clock, no randomness, no I/O but reading the models.

In reading order:

    model       service models as typed records; `service("sqs")`, `services()`
    overlay     the facts about single services that their models lack (overlay.json)
    index       what identifies a service before its model is loaded (index.json)
    regions     which regions there are
    routes      REST: method, path and query string to an operation and its labels
    identify    which operation a request calls: `identify(request, signing_name) -> Call`
    given       members given by one of our own services instead of a socket
    codec       one operation in one protocol: `codec("sqs", "SendMessage", "json")`; decode, encode, refuse

    reading     requests to members, per protocol; the fast way first, then the judge
      types       shapes compiled to msgspec types, constraints inside: the fast way
      violations  the slow reading that says in AWS's words what is wrong: the judge
      patterns    the models' Java regular expressions in Python's dialect (categories.json)
      forms       query and ec2 bodies, query strings
      elements    XML bodies
      bindings    labels, query parameters, headers, status: the REST protocols' other places
    writing     answers to responses, per protocol
      values      answers as plain values for JSON and CBOR
      markup      answers as XML, by functions generated from the shapes
    refusal     errors to responses, per protocol

    registry    the schemas of CloudFormation's resource types (registry/), and properties held against them

    instants    timestamps: int milliseconds inside, three formats outside
    cbor        CBOR bodies
    eventstream frames of application/vnd.amazon.eventstream
"""
