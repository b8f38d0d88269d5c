data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

locals {
  # Roles are the account's, not a region's: names with the region in them never collide.
  names = { for region in keys(var.regions) : region => "${var.name}-${region}" }

  # Seconds from one invocation to the next.
  intervals = {
    for region, about in var.regions : region => coalesce(about.interval, try(
      60 * tonumber(regex("^rate\\((\\d+) minutes?\\)$", about.schedule)[0]),
      3600 * tonumber(regex("^rate\\((\\d+) hours?\\)$", about.schedule)[0]),
      # Never reached: a cron() comes with an interval.
      60,
    ))
  }

  # An event is worth trying again only until the next one comes. Neither service takes less than a minute, and Lambda
  # no more than six hours.
  event_ages = { for region, interval in local.intervals : region => min(max(60, interval), 21600) }
}
