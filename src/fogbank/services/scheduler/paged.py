"""The pages of Scheduler's listings."""

from fogbank.kernel.paging import Pages
from fogbank.services.scheduler.addresses import invalid

_PAGES = Pages("MaxResults", lambda: invalid("Invalid NextToken."))
after, page = _PAGES.after, _PAGES.page
