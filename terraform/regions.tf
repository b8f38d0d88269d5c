data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

locals {
  # Roles are global in an account, so names contain the region.
  names = { for region in keys(var.regions) : region => "${var.name}-${region}" }

  # Seconds from one invocation to the next.
  intervals = {
    for region, about in var.regions : region => coalesce(about.interval, try(
      60 * tonumber(regex("^rate\\((\\d+) minutes?\\)$", about.schedule)[0]),
      3600 * tonumber(regex("^rate\\((\\d+) hours?\\)$", about.schedule)[0]),
      # Never used: a cron() requires an interval.
      60,
    ))
  }

  # The maximum age of an event: all attempts fit, plus a minute. Lambda waits one minute before the first retry and two
  # before the second, and drops events that are older, after at most six hours.
  event_ages = {
    for region, about in var.regions : region => min(max(240 + 3 * about.timeout, local.intervals[region]), 21600)
  }
}
