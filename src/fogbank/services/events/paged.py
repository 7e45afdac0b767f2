"""The pages of EventBridge's listings."""

from fogbank.kernel.paging import Pages
from fogbank.services.events.addresses import invalid

_PAGES = Pages("Limit", lambda: invalid("Parameter NextToken is not valid."))
after, page = _PAGES.after, _PAGES.page
