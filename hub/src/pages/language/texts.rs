//! The fixed texts of the pages, in English and in Simplified Chinese, side by side.

texts! {
    /// The fixed texts in one language.
    Texts:

    // Layout
    site: "EasyTier Uptime", "EasyTier 节点监测";
    skip: "Skip to content", "跳到正文";
    main_navigation: "Pages", "页面";
    nodes: "Nodes", "节点";
    probes: "Probes", "探针";
    map: "Map", "地图";
    submit: "Submit a node", "提交节点";
    admin: "Admin", "管理";
    language: "Language", "语言";
    theme: "Light or dark theme", "切换浅色或深色主题";
    feed: "Status change feed", "状态变化订阅";
    api: "API", "API";
    footer: "Each node is checked over the EasyTier protocol, the way a guest would connect to it.",
        "每个节点都通过 EasyTier 协议、以普通访客的方式接入检测。";
    live: "Live", "实时";
    live_hint: "The page updates itself. Press to pause.", "页面自动更新，点击可暂停。";

    // States
    up: "Online", "在线";
    partial: "Partly online", "部分在线";
    down: "Offline", "离线";
    unknown: "Unknown", "未知";
    online: "Online", "在线";
    offline: "Offline", "离线";
    overdue: "Report overdue", "上报超时";
    degraded: "Degraded", "网络异常";

    // List of nodes
    nodes_title: "Shared EasyTier nodes", "EasyTier 共享节点";
    search: "Search", "搜索";
    search_hint: "Name, address or description", "名称、地址或描述";
    tag: "Tag", "标签";
    protocol: "Protocol", "协议";
    reachable_from: "Reachable from", "可达地区";
    any: "Any", "不限";
    relay_only: "Offers relay", "提供中继";
    relay_works: "Relays, by test", "实测可中继";
    online_only: "Online only", "仅在线";
    sort: "Sort by", "排序";
    sort_best: "Best first", "推荐";
    sort_name: "Name", "名称";
    sort_latency: "Latency", "延迟";
    sort_uptime: "Uptime, 24 hours", "24 小时可用率";
    sort_load: "Load", "负载";
    apply: "Apply", "应用";
    clear: "Clear all", "全部清除";
    filters: "Filters", "筛选";
    active_filters: "Active filters", "当前筛选";
    remove_filter: "Remove filter", "移除筛选";
    node: "Node", "节点";
    last_day: "Last 24 hours", "最近 24 小时";
    uptime: "Uptime", "可用率";
    uptime_hint: "The share of the time in which the node was online. Partly online counts half; time without a verdict is left \
                  out.",
        "节点处于在线状态的时间占比；“部分在线”按一半计，没有判定结果的时间不计入。";
    day: "24 h", "24 小时";
    week: "7 d", "7 天";
    month: "30 d", "30 天";
    latency: "Latency", "延迟";
    version: "Version", "版本";
    load: "Load", "负载";
    not_measured: "not measured", "未测量";
    connect: "Connect", "连接";
    copy_address: "Copy address", "复制地址";
    copy_command: "Copy command", "复制命令";
    copied: "Copied", "已复制";
    copy_failed: "Could not copy", "复制失败";
    relay: "Relay", "中继";
    no_nodes: "No nodes match these filters.", "没有符合条件的节点。";
    no_nodes_at_all: "No nodes yet. Submit the first one.", "还没有节点，欢迎提交第一个。";
    pages: "Pages of the list", "分页";
    previous: "Previous", "上一页";
    next: "Next", "下一页";
    no_checks: "no checks", "无检测记录";
    bar_hint: "Use the arrow keys to read each 15-minute interval", "用方向键逐格查看（每格 15 分钟）";
    now: "now", "现在";

    // Map
    map_title: "Where nodes are checked from", "检测点分布";
    map_intro: "Letters are instances of this service, numbers are regions with probes. The ring around a region shows how many nodes \
                it sees in which state. Press a mark to find it in the tables.",
        "字母为本服务的实例，数字为部署了探针的地区；地区外圈表示从该地区看到的各状态节点所占比例。点击标记可跳到下方表格。";
    world_map: "World map", "世界地图";
    off_map: "Not on the map, because their place is not known", "位置未知，未标在地图上";
    instances: "Instances", "实例";
    instance: "Instance", "实例";
    role: "Role", "角色";
    role_primary: "Primary", "主实例";
    role_dependent: "Dependent", "从实例";
    role_standalone: "Standalone", "独立实例";
    location: "Location", "位置";
    state: "State", "状态";
    away: "Away", "失联";
    sees: "Nodes as seen from here", "从此处看到的节点";
    sees_hint: "Partly online: reached from this region, but not from most others.",
        "“部分在线”：该地区可以访问，但其他多数地区无法访问。";
    probes_alive: "Probes online", "在线探针";
    regions_title: "Regions", "地区";
    in_doubt: "In doubt", "存疑";
    locations_online: "Locations online", "在线地点";
    average_latency: "Average latency", "平均延迟";
    no_regions_yet: "No region yet.", "还没有地区。";

    // One node
    about: "About", "概况";
    address: "Address", "地址";
    command: "Command", "命令";
    tags: "Tags", "标签";
    description: "Description", "描述";
    last_checked: "Last check", "最近检测";
    never: "never", "从未检测";
    yes: "yes", "是";
    no: "no", "否";
    latency_by_region: "Latency by region", "各地区延迟";
    range: "Time range", "时间范围";
    range_hour: "1 hour", "1 小时";
    range_day: "24 hours", "24 小时";
    range_week: "7 days", "7 天";
    range_month: "30 days", "30 天";
    as_table: "Show as a table", "以表格显示";
    no_latency: "No latency was measured in this time range.", "该时间范围内没有延迟数据。";
    failures: "Failed checks", "检测失败原因";
    failures_hint: "Failed checks in this time range, as far back as raw results are kept.",
        "该时间范围内失败的检测，仅限尚在保留期内的原始结果。";
    no_failures: "No check failed in this time range.", "该时间范围内没有失败的检测。";
    reason: "Reason", "原因";
    failed_at: "Failed at", "失败阶段";
    times: "Times", "次数";
    last_time: "Last time", "最近一次";
    regions: "Status by region", "各地区状态";
    no_history: "The history of this node cannot be read at the moment. Try again in a minute.",
        "暂时无法读取此节点的历史记录，请稍后再试。";
    no_regions: "No region has checked this node yet.", "还没有地区检测过此节点。";
    region: "Region", "地区";
    verdict: "Verdict", "状态判定";
    healthy_checks: "Good checks, 24 h", "24 小时检测成功率";
    last_result: "Last result", "最近结果";
    checked_at: "Checked", "检测时间";
    time: "Time", "时间";
    changes: "Status changes", "状态变化";
    no_changes: "No status changes yet.", "暂无状态变化。";
    regions_agree: "regions online", "个地区在线";
    badges: "Badges", "徽章";
    badges_hint: "For a README or a forum post:", "可用于 README 或论坛帖子：";
    checks: "checks", "次检测";

    // Probes
    probes_title: "Probes", "探针";
    probes_intro: "Nodes are checked from these regions. A node is online when more than half of the regions reach it.",
        "节点由以下地区的探针检测；超过半数地区可达即判定为在线。";
    no_probes: "No probe has reported yet.", "还没有探针上报。";
    probe: "Probe", "探针";
    last_report: "Last report", "最近上报";
    check_interval: "Check interval", "检测间隔";
    nodes_watched: "Nodes watched", "监测节点数";
    healthy: "healthy", "正常";
    undelivered: "Undelivered results", "待上报结果";
    degraded_hint: "The self-check of this probe found that it is cut off from the network. Checks that failed for this \
                    reason do not count against the nodes.",
        "该探针自检发现自身网络中断，由此导致的检测失败不计入节点。";
    round_trip: "Median round trip", "往返延迟中位数";

    // Submission of a node
    submit_title: "Submit a node", "提交节点";
    submit_intro: "Anyone can submit a node. It is listed once the site operator has approved it.",
        "任何人都可以提交节点，经站长审核后上架。";
    node_details: "Node", "节点信息";
    name: "Name", "名称";
    host: "Host", "主机";
    operator_host_hint: "A host name or an IP address", "域名或 IP 地址";
    host_hint: "A host name or a public IP address", "域名或公网 IP 地址";
    port: "Port", "端口";
    path: "Path", "路径";
    path_hint: "Only where a web server has the ws, wss, http or https node behind a path.", "仅当 ws、wss、http、https 节点位于网站的某个路径下时填写。";
    max_connections: "Maximum number of networks", "最大网络数";
    allow_relay: "Relays traffic for other networks", "为其他网络提供中继";
    tags_hint: "Separated by commas", "用逗号分隔";
    private_network: "A private network (optional)", "私有网络（可选）";
    private_hint: "Only for a node that is closed to guests: it is then checked as a member of its network.",
        "仅适用于不对外开放的节点：将以网络成员身份检测。";
    network_name: "Network name", "网络名称";
    network_secret: "Network secret", "网络密钥";
    contact: "Contact", "联系方式";
    contact_hint: "Enter at least one. Only the site operator sees it.", "至少填写一项，仅站长可见。";
    qq_number: "QQ number", "QQ 号";
    wechat: "WeChat", "微信";
    mail: "Email", "邮箱";
    test: "Test the connection", "测试连接";
    testing: "Testing, this takes up to 5 seconds …", "正在测试，最多 5 秒……";
    test_good: "The node works", "节点可用";
    test_bad: "The node could not be used", "节点不可用";
    send: "Submit", "提交";
    sent: "Thank you. The node is listed once it is approved.", "谢谢！审核通过后即会上架。";
    secret_again: "Enter the secret again: it is never shown.", "请重新填写密钥：密钥不会回显。";

    // Admin: session
    log_in: "Log in", "登录";
    log_out: "Log out", "退出登录";
    password: "Password", "密码";

    // Admin: nodes
    queue: "Waiting for approval", "待审核";
    queue_empty: "No nodes are waiting for approval.", "没有待审核的节点。";
    listed: "Listed", "已上架";
    unlisted: "Not listed", "已下架";
    set_aside: "Local, not watched", "本地节点，未监测";
    set_aside_hint: "Nodes of this instance from before it joined a cluster. They are neither checked nor listed to visitors.",
        "本实例加入集群之前的节点，既不检测，也不对访客展示。";
    hand_over_nodes: "To have them checked, export the nodes and import the file at the primary.",
        "如需继续检测，请导出节点，并在主实例导入。";
    watch: "Watch", "恢复监测";
    watched_done: "The node is watched again.", "已恢复监测该节点。";
    status: "Status", "状态";
    added_at: "Added", "添加时间";
    pending: "Pending", "待审核";
    exists_as: "This address and network belong to node", "该地址和网络已有节点";
    also_submitted_as: "Also submitted as", "重复提交：";
    actions: "Actions", "操作";
    approve: "Approve", "通过";
    unlist: "Unlist", "下架";
    delete: "Delete", "删除";
    delete_title: "Delete this node?", "删除此节点？";
    delete_hint: "The node and its check history are deleted permanently.", "节点及其检测记录将被永久删除，无法恢复。";
    reject: "Reject", "拒绝";
    reject_title: "Reject this submission?", "拒绝此提交？";
    reject_hint: "It leaves the queue. The node can be submitted again.", "该提交将从队列中移除，此节点可以再次提交。";
    select: "Select", "选择";
    all_on_page: "All on this page", "本页全部";
    approve_selected: "Approve selected", "通过所选";
    reject_selected: "Reject selected", "拒绝所选";
    approve_many_title: "Approve these submissions?", "通过这些提交？";
    approve_many_hint: "The nodes are listed publicly, and probes check them.", "节点将公开上架，并由探针检测。";
    reject_many_title: "Reject these submissions?", "拒绝这些提交？";
    reject_many_hint: "They leave the queue. The nodes can be submitted again.", "这些提交将从队列中移除，节点可以再次提交。";
    nothing_selected: "No waiting submission is selected.", "没有选中待审核的提交。";
    export: "Export", "导出";
    save: "Save", "保存";
    cancel: "Cancel", "取消";
    check_settings: "Check settings", "检测设置";
    watched_from: "Check from these regions (empty: all)", "检测地区（留空为全部）";
    depth: "Check depth", "检测深度";
    depth_full: "Full", "完整";
    depth_handshake: "Handshake only", "仅握手";
    timeout_ms: "Timeout in ms (0: the probe's default)", "超时（毫秒，0 为探针默认值）";
    new_secret: "New network secret (empty: unchanged)", "新的网络密钥（留空则不变）";
    remove_secret: "Remove the secret: check as a guest", "移除密钥：以访客身份检测";
    approved_done: "The node is listed.", "节点已上架。";
    unlisted_done: "The node is no longer listed.", "节点已下架。";
    deleted_done: "The node is deleted.", "节点已删除。";
    rejected_done: "The submission is rejected.", "已拒绝该提交。";
    saved_done: "Saved.", "已保存。";

    // Admin: probes
    remove: "Remove", "移除";
    remove_title: "Remove this probe?", "移除此探针？";
    remove_hint: "Its token is revoked. Its check results are kept.", "其令牌将被吊销，检测记录会保留。";
    removed_done: "The probe is removed.", "探针已移除。";
    system: "System", "系统";
    metadata: "Metadata", "元数据";
    counters: "Counters", "计数";

    // Admin: tokens and keys
    keys: "Tokens and keys", "令牌与密钥";
    new_key: "New token or key", "新建令牌或密钥";
    kind: "Kind", "类型";
    kind_node: "Node tokens (for probes)", "探针令牌";
    kind_api: "API keys", "API 密钥";
    kind_enrollment: "Enrollment keys", "注册密钥";
    create: "Create", "创建";
    created: "Created", "创建时间";
    revoke: "Revoke", "吊销";
    revoked: "revoked", "已吊销";
    expired: "expired", "已过期";
    used_up: "used up", "次数已用完";
    expires: "Expires", "有效期至";
    last_used: "Last used", "最近使用";
    never_used: "never", "从未使用";
    no_expiry: "never", "长期有效";
    enrolled: "Probes enrolled", "已注册探针数";
    valid_for: "Valid for (days)", "有效天数";
    valid_for_hint: "Empty: an enrollment key 7 days, others until revoked. 0: until revoked.",
        "留空：注册密钥 7 天，其余长期有效；0 为长期有效，直至吊销。";
    max_probes: "Probes it may enroll", "可注册探针数";
    max_probes_hint: "For enrollment keys. Empty: 10. 0: any number.", "仅用于注册密钥。留空为 10，0 为不限。";
    any_region: "Any region (enrollment keys)", "任意地区（注册密钥）";
    scopes_hint: "An API key may:", "API 密钥的权限：";
    scopes: "Scopes", "权限";
    issued: "Token created", "创建成功";
    issued_hint: "It is shown only once. Store it in a safe place.", "仅显示这一次，请妥善保存。";
    copy: "Copy", "复制";
    none: "None.", "暂无。";

    // Admin: events
    events: "Events", "事件";

    // Admin: import
    import: "Import", "导入";
    import_hint: "Paste an exported file (with descriptions, regions and contacts), the JSON of a site's list, a table (CSV), \
                  TOML, an EasyTier configuration or command line, or addresses. Nodes that are already listed stay unchanged.",
        "可粘贴导出文件（含描述、地区、联系方式等）、站点列表的 JSON、表格（CSV）、TOML、EasyTier 的配置文件或命令行，或节点地址。已存在的节点保持不变。";
    preview: "Preview", "预览";
    is_new: "new", "新节点";
    is_listed: "listed already", "已存在";
    skip_invalid: "Leave invalid entries out", "忽略无效条目";
    nothing_imported: "Nothing was imported", "未导入任何节点";

    // Admin: announcements
    announcements: "Announcements", "公告";
    new_announcement: "New announcement", "发布公告";
    announcement_hint: "It is shown at the top of every page, within seconds. A visitor who reads the other language sees the text that \
                        there is.",
        "数秒内显示在每个页面顶部。若缺少某种语言的文本，访客将看到另一种语言。";
    severity: "Severity", "级别";
    severity_info: "Information", "信息";
    severity_warning: "Warning", "警告";
    severity_critical: "Critical", "严重";
    text_english: "Text in English", "英文内容";
    text_chinese: "Text in Chinese", "中文内容";
    ends_after: "Ends after (hours)", "显示时长（小时）";
    ends_after_hint: "Empty: until you end it.", "留空则一直显示，直到手动结束。";
    announce: "Announce", "发布";
    announced: "Announced", "已发布";
    end: "End", "结束";
    ended: "ended", "已结束";
    ends: "Ends", "结束时间";

    // Admin: settings
    settings: "Settings", "设置";
    settings_hint: "Changes take effect within seconds on every hub that shares this database. Leave a field empty to use its \
                    default.",
        "保存后数秒内在共用此数据库的所有服务上生效。留空则恢复默认值。";
    verdicts: "Verdicts", "状态判定";
    retention: "Retention", "数据保留";
    built_in_probe: "Built-in probe", "内置探针";
    intervals_elsewhere: "The check interval of a probe is set where the probe is configured.", "检测间隔由各探针自己的配置决定。";
    report_interval: "Report interval while nothing changes", "状态不变时的上报间隔";
    flap_damping: "Consecutive results that change a region's verdict (flap damping)",
        "状态翻转所需的连续结果数（防抖）";
    region_doubt: "Nodes that a region must have to be doubted when most of them turn offline at once",
        "过半节点同时离线时暂不采信该地区（所需最少节点数）";
    valid_region_doubt: "A whole number up to 100000; 0 turns this off.", "0 到 100000 的整数，0 表示关闭。";
    raw_results: "Raw results", "原始结果";
    five_minute_rollups: "5-minute rollups", "5 分钟汇总";
    hourly_rollups: "Hourly rollups", "小时汇总";
    event_log: "Events", "事件";
    relay_interval: "Tests of each node", "每个节点的测试间隔";
    valid_relay_interval: "From 10m to 24h; 0 for no tests. Nodes that do not declare relay are tested 8 times as rarely.", "10m 到 24h，0 表示不测试。未声明提供中继的节点，间隔为其 8 倍。";
    valid_count: "A whole number from 1 to 100.", "1 到 100 的整数。";
    valid_retention: "From 24h to 87840h (ten years).", "24h 到 87840h（十年）。";
    valid_check_interval: "At least 100ms, for example 5s.", "至少 100ms，例如 5s。";
    valid_report_interval: "Whole seconds, for example 30s or 5m.", "整秒，例如 30s 或 5m。";
    default: "Default", "默认值";
    set_by: "Set by", "由以下配置设定：";
    saved: "Saved", "已保存";
    not_saved: "Nothing was saved. Correct the marked fields.", "未保存任何更改，请修改标出的项目。";

    // Refusals
    refused: "Not done", "操作未完成";
    not_found: "Page not found", "页面不存在";
    not_found_hint: "The page or the node does not exist, or is no longer listed.", "页面或节点不存在，或节点已下架。";
    back: "Back to the list of nodes", "返回节点列表";
}
