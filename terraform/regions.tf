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

  # Lambda waits for a minute before it tries a failed invocation again, and for two before the second time. What has
  # become older than this meanwhile is given up untried: all attempts fit, and a minute to spare. Lambda keeps nothing
  # for longer than six hours.
  event_ages = {
    for region, about in var.regions : region => min(max(240 + 3 * about.timeout, local.intervals[region]), 21600)
  }
}
