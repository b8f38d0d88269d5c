# The zip file, and whether it is the right one.

data "aws_s3_object" "package" {
  for_each = { for region, about in local.regions : region => about if var.package_s3 != null }
  region   = each.key

  bucket        = var.package_s3.buckets[each.key]
  key           = var.package_s3.key
  version_id    = var.package_s3.version
  checksum_mode = "ENABLED"

  lifecycle {
    postcondition {
      condition     = self.checksum_sha256 == local.package_hash
      error_message = "The object in S3 has another SHA-256 than 'package_sha256', or was uploaded without --checksum-algorithm SHA256."
    }
  }
}

locals {
  # Of the zip file in base64, as S3 and Lambda have it. A file's own hash, if no other is given: a variable's validation has
  # compared the two.
  package_hash = var.package_path == null ? local.given_hash : try(filebase64sha256(var.package_path), null)

  # Terraform has no function that turns hex into base64: six hex digits are four characters, and the last four are three.
  base64 = split("", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  given_hash = var.package_sha256 == null ? null : join("", concat(
    flatten([
      for start in range(0, 60, 6) : [
        for shift in [262144, 4096, 64, 1] : local.base64[floor(parseint(substr(var.package_sha256, start, 6), 16) / shift) % 64]
      ]
    ]),
    [for shift in [4096, 64, 1] : local.base64[floor(4 * parseint(substr(var.package_sha256, 60, 4), 16) / shift) % 64]],
    ["="],
  ))
}
