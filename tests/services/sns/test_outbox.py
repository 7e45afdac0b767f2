"""Mail, text messages and mobile push: what is in the outbox."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from fogbank.services.sns import phones


def test_mail(cloud: Any, sns: Any, topic: str, outbox: Any) -> None:
    """The link of a confirmation works, then messages come with a link that unsubscribes."""
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Shop")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    sns.publish(TopicArn=topic, Message="too early")
    [asked] = outbox()
    assert (asked["channel"], asked["to"], asked["from"]) == ("email", "a@b.example", "AWS Notifications")
    assert asked["subject"] == "AWS Notification - Subscription Confirmation"
    urllib.request.urlopen(re.search(r"http://\S+", asked["text"])[0]).close()  # type: ignore[index]
    sns.publish(TopicArn=topic, Message="hello", Subject="Sale")
    mail = outbox()[-1]
    assert (mail["from"], mail["subject"], mail["source"]) == ("Shop", "Sale", topic)
    assert mail["text"].startswith("hello\n\n--\n")
    urllib.request.urlopen(re.search(r"http://\S+", mail["text"])[0]).close()  # type: ignore[index]
    assert sns.list_subscriptions()["Subscriptions"] == []
    assert outbox()[-1]["subject"] == "AWS Notification - Unsubscribe Confirmation"


def test_mail_as_json(sns: Any, topic: str, outbox: Any) -> None:
    """email-json gets the envelope."""
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="a@b.example")
    assert json.loads(outbox()[0]["text"])["Type"] == "SubscriptionConfirmation"


def test_text_messages(cloud: Any, sns: Any, topic: str, outbox: Any, refused: Any) -> None:
    """To one number, and to subscribers; a sender and a type by attribute or by the account's settings."""
    sns.set_sms_attributes(attributes={"DefaultSenderID": "Shop", "DefaultSMSType": "Transactional"})
    assert sns.get_sms_attributes(attributes=["DefaultSenderID"])["attributes"] == {"DefaultSenderID": "Shop"}
    sns.publish(PhoneNumber="+15550100200", Message="hi")
    attributes = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "Other"}}
    sns.publish(PhoneNumber="+15550100200", Message="ho", MessageAttributes=attributes)
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+1 (555) 010-0300")
    sns.publish(TopicArn=topic, Message="ha")
    sent = outbox()
    assert [(one["to"], one["from"], one["subject"], one["text"]) for one in sent] == [
        ("+15550100200", "Shop", "Transactional", "hi"),
        ("+15550100200", "Other", "Transactional", "ho"),
        ("+15550100300", "Shop", "Transactional", "ha"),
    ]
    for name, value, code in (("SMS.SMSType", "Loud", "InvalidParameter"), ("SMS.SenderID", "1", "InvalidParameter")):
        said = {f"AWS.SNS.{name}": {"DataType": "String", "StringValue": value}}
        assert refused(sns.publish, PhoneNumber="+15550100200", Message="m", MessageAttributes=said)[0] == code
    number = {"AWS.MM.SMS.OriginationNumber": {"DataType": "String", "StringValue": "+15550100201"}}
    assert refused(sns.publish, PhoneNumber="+15550100200", Message="m", MessageAttributes=number)[0] == "NotImplemented"
    for price in ("0.001", "0.5"):
        limit = {"AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": price}}
        sns.publish(PhoneNumber="+15550100200", Message=price, MessageAttributes=limit)
    assert [one["text"] for one in outbox()[3:]] == ["0.5"]
    assert refused(sns.publish, PhoneNumber="12", Message="m")[1] == "Invalid parameter: PhoneNumber Reason: 12 is not valid to publish to"
    assert refused(sns.set_sms_attributes, attributes={"UsageReportS3Bucket": "b"})[0] == "NotImplemented"
    sns.set_sms_attributes(attributes={"MonthlySpendLimit": "0"})
    assert "No quota left" in refused(sns.publish, PhoneNumber="+15550100200", Message="m")[1]


def test_numbers_that_opted_out(cloud: Any, sns: Any, topic: str, outbox: Any, refused: Any) -> None:
    """They get nothing until they are opted in again, once in 30 days."""
    number = "+15550100200"

    def stop() -> None:
        tx = cloud.inner.begin()
        phones.opt_out(tx, "000000000000", "us-east-1", number)
        cloud.inner.commit(tx)

    cloud.house.on_loop(stop)
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=number)["isOptedOut"] is True
    assert sns.list_phone_numbers_opted_out()["phoneNumbers"] == [number]
    assert "opted out" in refused(sns.publish, PhoneNumber=number, Message="m")[1]
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=number)
    sns.publish(TopicArn=topic, Message="m")
    assert outbox() == []
    sns.opt_in_phone_number(phoneNumber=number)
    sns.publish(PhoneNumber=number, Message="m")
    assert [one["text"] for one in outbox()] == ["m"]
    cloud.house.on_loop(stop)
    assert refused(sns.opt_in_phone_number, phoneNumber=number)[0] == "InvalidParameter"
    cloud.advance(30 * 86_400)
    sns.opt_in_phone_number(phoneNumber=number)


def test_the_sandboxs_numbers(cloud: Any, sns: Any, outbox: Any, refused: Any) -> None:
    """They are verified with the password that they are sent, within 15 minutes."""
    number = "+15550100200"
    sns.create_sms_sandbox_phone_number(PhoneNumber=number)
    assert sns.list_sms_sandbox_phone_numbers()["PhoneNumbers"] == [{"PhoneNumber": number, "Status": "Pending"}]

    def password() -> str:
        found = re.search(r"\d{6}", outbox()[-1]["text"])
        assert found is not None
        return found[0]

    old = password()
    cloud.advance(900)
    assert refused(sns.verify_sms_sandbox_phone_number, PhoneNumber=number, OneTimePassword=old)[0] == "VerificationException"
    sns.create_sms_sandbox_phone_number(PhoneNumber=number)
    sns.verify_sms_sandbox_phone_number(PhoneNumber=number, OneTimePassword=password())
    assert sns.list_sms_sandbox_phone_numbers()["PhoneNumbers"][0]["Status"] == "Verified"
    sns.delete_sms_sandbox_phone_number(PhoneNumber=number)
    assert sns.list_sms_sandbox_phone_numbers()["PhoneNumbers"] == []
    assert refused(sns.delete_sms_sandbox_phone_number, PhoneNumber=number)[0] == "ResourceNotFound"
    assert refused(sns.create_sms_sandbox_phone_number, PhoneNumber=number, LanguageCode="de-DE")[0] == "NotImplemented"
    assert sns.get_sms_sandbox_account_status()["IsInSandbox"] is False
    assert sns.list_origination_numbers()["PhoneNumbers"] == []


@pytest.fixture
def application(sns: Any) -> str:
    made: str = sns.create_platform_application(Name="app", Platform="GCM", Attributes={"PlatformCredential": "secret"})[
        "PlatformApplicationArn"
    ]
    return made


def test_push(sns: Any, application: str, topic: str, outbox: Any, refused: Any) -> None:
    """To one device and to subscribed ones, in the platform's JSON; not to one that is disabled."""
    device = sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1", CustomUserData="u")["EndpointArn"]
    assert sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1", CustomUserData="u")["EndpointArn"] == device
    assert (
        "already exists with the same Token"
        in refused(sns.create_platform_endpoint, PlatformApplicationArn=application, Token="t1", CustomUserData="v")[1]
    )
    sns.publish(TargetArn=device, Message="plain")
    told = {"default": "d", "GCM": '{"notification": {"title": "x"}}'}
    sns.publish(TargetArn=device, Message=json.dumps(told), MessageStructure="json")
    sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=device)
    sns.publish(TopicArn=topic, Message="all")
    sent = outbox()
    assert [one["text"] for one in sent] == ['{"data":{"default":"plain"}}', told["GCM"], '{"data":{"default":"all"}}']
    assert {(one["channel"], one["to"]) for one in sent} == {("GCM", "t1")}
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "false"})
    assert refused(sns.publish, TargetArn=device, Message="m") == ("EndpointDisabled", "Endpoint is disabled")
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "true", "Token": "t2"})
    assert sns.get_endpoint_attributes(EndpointArn=device)["Attributes"] == {"Enabled": "true", "Token": "t2", "CustomUserData": "u"}
    [listed] = sns.list_endpoints_by_platform_application(PlatformApplicationArn=application)["Endpoints"]
    assert listed["EndpointArn"] == device
    sns.delete_endpoint(EndpointArn=device)
    sns.delete_endpoint(EndpointArn=device)
    assert refused(sns.publish, TargetArn=device, Message="m")[1] == (
        "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
    )


def test_applications(sns: Any, application: str, topic: str, queue: Any, bodies: Any, refused: Any) -> None:
    """Their attributes, without the credential; what happens to endpoints is told to a topic."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.set_platform_application_attributes(PlatformApplicationArn=application, Attributes={"EventEndpointCreated": topic})
    got = sns.get_platform_application_attributes(PlatformApplicationArn=application)["Attributes"]
    assert got == {"Enabled": "true", "EventEndpointCreated": topic}
    never = {"PlatformApplicationArn": application, "Attributes": {"EventDeliveryFailure": topic}}
    assert refused(sns.set_platform_application_attributes, **never)[0] == "NotImplemented"
    device = sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t")["EndpointArn"]
    assert [json.loads(body)["EndpointArn"] for body in bodies(url)] == [device]
    assert len(sns.list_platform_applications()["PlatformApplications"]) == 1
    assert refused(sns.create_platform_application, Name="a", Platform="FAX", Attributes={})[0] == "InvalidParameter"
    sns.delete_platform_application(PlatformApplicationArn=application)
    assert refused(sns.get_endpoint_attributes, EndpointArn=device) == ("NotFound", "Endpoint does not exist")
