# Loaded by schemathesis (SCHEMATHESIS_HOOKS): what .ci/schema needs of each request.
import itertools
import os

import schemathesis

clients = itertools.count(1)
OWN_KEY = os.environ["SCHEMA_KEY"]
NO_KEY = "0" * 16


@schemathesis.hook
def before_call(context, case, kwargs):
    # Each request says that it comes for another client: those with credentials made to be wrong would otherwise use up the failed logins of
    # one address, and how many there may be is not what is asked here.
    number = next(clients)
    case.headers["X-Forwarded-For"] = f"198.18.{number // 250 % 250}.{number % 250 + 1}"
    # The listing shows it the key that it asks with. It may not take that one's rights: from there on it would hear nothing but 401 and 403.
    if case.method in ("PATCH", "DELETE") and (case.path_parameters or {}).get("key") == OWN_KEY:
        case.path_parameters["key"] = NO_KEY
    # A check answers when all is read, and a byte a second is a right thing to ask for: nobody waits here until that has an end.
    if case.operation.label == "POST /api/v1/check" and isinstance(case.body, dict):
        rate = case.body.get("bytes_per_second")
        if type(rate) in (int, float) and 0 < rate < 1 << 20:
            case.body["bytes_per_second"] = 0
