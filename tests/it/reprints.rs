//! Articles of our own making, and what other publishers make of them.
//!
//! Everything grows from a seed: Chinese, English and French articles of some paragraphs, a dozen ways to print them
//! again, and what looks like a reprint and is none. Nothing here is taken from anybody.

use std::collections::BTreeMap;

/// A language that articles are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tongue {
    Chinese,
    English,
    French,
}

pub(crate) const TONGUES: [Tongue; 3] = [Tongue::Chinese, Tongue::English, Tongue::French];

/// An entry of a feed, and the story that it truly belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Printed {
    pub(crate) guid: String,
    pub(crate) link: String,
    pub(crate) title: String,
    pub(crate) paragraphs: Vec<String>,
    /// Entries with the same number are one story.
    pub(crate) story: usize,
    /// How it was made.
    pub(crate) kind: &'static str,
    pub(crate) tongue: Tongue,
}

/// What is done to an article when it is printed again.
pub(crate) const KINDS: [&str; 13] = [
    "same",
    "headline",
    "lead",
    "source line",
    "footer",
    "truncated",
    "summary",
    "script",
    "reordered",
    "editor line",
    "punctuation",
    "tracking",
    "small edits",
];

struct Words {
    names: &'static [&'static str],
    places: &'static [&'static str],
    things: &'static [&'static str],
    qualities: &'static [&'static str],
    deeds: &'static [&'static str],
    bodies: &'static [&'static str],
    times: &'static [&'static str],
    /// `{n}` name, `{p}` place, `{t}` thing, `{q}` quality, `{d}` deed, `{b}` body, `{z}` time, `{0}` number.
    sentences: &'static [&'static str],
    titles: &'static [&'static str],
    between: &'static str,
}

const ENGLISH: Words = Words {
    names: &[
        "Harlow",
        "Brennan",
        "Okafor",
        "Lindqvist",
        "Marchetti",
        "Petrov",
        "Castellane",
        "Whitcombe",
        "Adeyemi",
        "Novak",
        "Delacroix",
        "Fairbanks",
        "Ishikawa",
        "Rowntree",
        "Vandermeer",
        "Quigley",
        "Santoro",
        "Thackeray",
        "Ullmann",
        "Yardley",
        "Zielinski",
        "Ashdown",
        "Bellweather",
        "Cromarty",
        "Dunmore",
        "Eastlake",
        "Fenwick",
        "Galbraith",
        "Hollins",
        "Ingram",
    ],
    places: &[
        "Ashford",
        "Millbrook",
        "Port Ellery",
        "Kingsmere",
        "Old Haven",
        "Carrow Bay",
        "Dunsfield",
        "Eastvale",
        "Fairmoor",
        "Glenrock",
        "Harrowgate Quay",
        "Invermoor",
        "Larkhill",
        "Merridale",
        "Northwick",
        "Oakhampton",
        "Pellworth",
        "Quarry Bank",
        "Redcliffe",
        "Saltmarsh",
        "Thornbury",
        "Upper Wye",
        "Westerleigh",
        "Yewdale",
        "Brackenfell",
        "Coldwater",
    ],
    things: &[
        "bridge",
        "ferry service",
        "water main",
        "harbour wall",
        "school roof",
        "hospital wing",
        "bus depot",
        "tram line",
        "cycle path",
        "library annexe",
        "power station",
        "wind farm",
        "reservoir",
        "market hall",
        "swimming pool",
        "railway crossing",
        "flood barrier",
        "recycling plant",
        "fishing fleet",
        "apple harvest",
        "housing estate",
        "airport runway",
        "concert hall",
        "football ground",
        "museum store",
        "town archive",
        "bakery chain",
        "toll road",
        "quarry lease",
        "telephone mast",
        "oyster bed",
        "grain silo",
    ],
    qualities: &[
        "ageing",
        "costly",
        "disputed",
        "long-awaited",
        "half-finished",
        "popular",
        "unlicensed",
        "temporary",
        "historic",
        "modest",
        "ambitious",
        "neglected",
        "privately owned",
        "publicly funded",
        "overcrowded",
        "reliable",
        "experimental",
        "record-breaking",
        "controversial",
        "quiet",
        "remote",
        "hastily built",
        "well-kept",
        "shuttered",
    ],
    deeds: &[
        "repair",
        "close",
        "reopen",
        "sell",
        "inspect",
        "extend",
        "demolish",
        "insure",
        "repaint",
        "survey",
        "rent out",
        "rebuild",
        "abandon",
        "finance",
        "postpone",
        "approve",
        "reject",
        "audit",
        "rename",
        "fence off",
        "drain",
        "modernise",
        "relocate",
        "restore",
        "monitor",
        "evacuate",
    ],
    bodies: &[
        "the county council",
        "the harbour authority",
        "a residents' group",
        "the transport ministry",
        "the fire brigade",
        "an independent panel",
        "the local chamber of commerce",
        "the water company",
        "two trade unions",
        "the regional court",
        "a firm of engineers",
        "the heritage trust",
        "the teachers' association",
        "the insurance office",
        "the planning board",
        "the coastguard",
        "the police union",
        "a parliamentary committee",
    ],
    times: &[
        "on Monday morning",
        "late last week",
        "before the summer break",
        "in the early hours",
        "after a public hearing",
        "within the next two years",
        "at the end of the month",
        "during the storm",
        "shortly before midnight",
        "earlier this spring",
        "in a written statement",
        "at a crowded meeting",
        "over the weekend",
        "since the beginning of the decade",
    ],
    sentences: &[
        "{b} decided {z} to {d} the {q} {t} in {p}, although {n} had warned that it would cost more than {0} million.",
        "\"Nobody here expected them to {d} a {t} that was {q} to begin with,\" said {n}, who has lived in {p} for {0} years.",
        "According to figures that {b} published {z}, some {0} people in {p} depend on the {t}.",
        "The {t}, which many in {p} call {q}, was last in the news when {b} refused to {d} it.",
        "{n}, speaking for {b}, told reporters {z} that the plan to {d} the {q} {t} would go ahead.",
        "Engineers found {0} cracks and {q} masonry when they came to {d} the {t} {z}.",
        "In neighbouring {p}, where a {t} had to be shut {z}, {b} has promised to wait for a second opinion.",
        "Critics such as {n} want to {d} it first and talk about the {q} {t} afterwards.",
        "The dispute goes back to a contract that {b} signed with a builder from {p} {z}.",
        "Traders near the {t} reported takings down by {0} per cent, and {n} said that several would have to leave {p}.",
        "{z}, volunteers from {p} began to {d} what was left of the {q} {t} with their own tools.",
        "A spokeswoman declined to say whether {b} would {d} the {t} or simply leave it {q}.",
        "For {n} the answer is plain: {p} needs a {t}, even a {q} one, more than it needs another report.",
        "Money for the work is to come from a fund of {0} million that {b} set up {z}.",
        "The {q} {t} of {p} has outlived {0} governments, three floods and one attempt to {d} it.",
        "If {b} gives its consent, work on the {t} could begin {z}, {n} added.",
        "Photographs taken {z} show water standing as high as the {t}, and a {q} sign from {p} floating past.",
        "Insurers have so far paid {0} thousand to families in {p} who lost sight of the {q} {t} for good.",
        "What began as a plan to {d} a single {t} has become a test of how far {b} may go.",
        "{n} recalled that in {p} people once gathered around the {t} to sing, whatever {b} thought of it.",
    ],
    titles: &[
        "{p} votes to {d} its {q} {t}",
        "{n} warns of {q} {t} near {p}",
        "Why {b} wants to {d} the {t} of {p}",
        "{p}: {q} {t} divides neighbours",
        "{b} under fire over {t} in {p}",
        "New hope for the {q} {t} of {p}",
    ],
    between: " ",
};

const FRENCH: Words = Words {
    names: &[
        "Lemoine",
        "Carpentier",
        "Dufresne",
        "Gauthier",
        "Rousselot",
        "Marchand",
        "Pelletier",
        "Vasseur",
        "Chevallier",
        "Barbier",
        "Fontaine",
        "Guérin",
        "Lacombe",
        "Moreau",
        "Nicolet",
        "Perrault",
        "Quénard",
        "Renaudin",
        "Saunier",
        "Thévenot",
        "Ullern",
        "Valmont",
        "Aubry",
        "Béranger",
    ],
    places: &[
        "Saint-Aubin",
        "Montclair",
        "Vieux-Port",
        "Roche-sur-Loue",
        "Clairefontaine",
        "Beaulieu",
        "Champvert",
        "Les Ormes",
        "Pont-Rouge",
        "Villeneuve",
        "La Garde",
        "Mirecourt",
        "Sainte-Foy",
        "Grandpré",
        "Hautefeuille",
        "Noirmont",
        "Trois-Moulins",
        "Aiguebelle",
        "Brévannes",
        "Courcelles",
    ],
    things: &[
        "pont",
        "marché couvert",
        "barrage",
        "collège",
        "théâtre",
        "gymnase",
        "tramway",
        "quai",
        "château d'eau",
        "hôpital",
        "stade",
        "canal",
        "moulin",
        "cimetière",
        "musée",
        "parking",
        "viaduc",
        "chantier naval",
        "entrepôt",
        "vignoble",
        "funiculaire",
        "observatoire",
        "phare",
        "dépôt d'archives",
    ],
    qualities: &[
        "vétuste",
        "contesté",
        "inachevé",
        "coûteux",
        "historique",
        "provisoire",
        "modeste",
        "fragile",
        "rentable",
        "isolé",
        "public",
        "privé",
        "délabré",
        "remarquable",
        "insalubre",
        "moderne",
        "discret",
        "menacé",
        "célèbre",
        "inutile",
    ],
    deeds: &[
        "réparer",
        "fermer",
        "rouvrir",
        "vendre",
        "inspecter",
        "agrandir",
        "démolir",
        "assurer",
        "repeindre",
        "louer",
        "reconstruire",
        "abandonner",
        "financer",
        "reporter",
        "approuver",
        "rejeter",
        "déplacer",
        "moderniser",
        "restaurer",
        "surveiller",
        "évacuer",
        "clôturer",
    ],
    bodies: &[
        "le conseil municipal",
        "la préfecture",
        "une association de riverains",
        "le ministère des Transports",
        "un cabinet d'experts",
        "la chambre de commerce",
        "le syndicat des eaux",
        "le tribunal administratif",
        "la cour des comptes",
        "le comité d'entreprise",
        "la caisse des dépôts",
        "le conseil régional",
        "une commission d'enquête",
        "la fédération des pêcheurs",
    ],
    times: &[
        "lundi matin",
        "la semaine dernière",
        "avant les vacances d'été",
        "au petit jour",
        "après une longue réunion",
        "d'ici deux ans",
        "à la fin du mois",
        "pendant la tempête",
        "peu avant minuit",
        "au début du printemps",
        "dans un communiqué",
        "au cours du week-end",
    ],
    sentences: &[
        "{b} a décidé {z} de {d} le {t} {q} de {p}, bien que {n} ait averti que cela coûterait plus de {0} millions.",
        "« Personne ne pensait qu'ils oseraient {d} un {t} aussi {q} », raconte {n}, qui habite {p} depuis {0} ans.",
        "Selon les chiffres que {b} a publiés {z}, quelque {0} habitants de {p} dépendent du {t}.",
        "Le {t}, que beaucoup à {p} jugent {q}, avait déjà fait parler de lui lorsque {b} avait refusé de le {d}.",
        "{n}, au nom de ceux qui veulent {d} ce {t} {q}, a expliqué {z} que rien n'était encore signé.",
        "Les ingénieurs ont relevé {0} fissures en venant {d} le {t} {z}, et {b} parle d'un mur {q}.",
        "À {p}, où un autre {t} a dû être évacué {z}, {b} préfère attendre une seconde expertise.",
        "Pour {n}, il faudrait d'abord {d} et discuter ensuite du {t} {q}.",
        "Le différend remonte à un contrat que {b} avait conclu {z} avec une entreprise de {p}.",
        "Les commerçants proches du {t} ont perdu {0} pour cent de leurs recettes, affirme {n}, et plusieurs quitteront {p}.",
        "{z}, des bénévoles de {p} ont commencé à {d} ce qui restait du {t} {q} avec leurs propres outils.",
        "Interrogée, une porte-parole n'a pas voulu dire si {b} allait {d} le {t} ou le laisser {q}.",
        "L'argent doit venir d'un fonds de {0} millions que {b} a créé {z}, à la demande de {n}.",
        "Le {t} {q} de {p} a survécu à {0} gouvernements, à trois crues et à une tentative de le {d}.",
        "Si {b} donne son accord, les travaux du {t} pourraient débuter {z}, a ajouté {n}.",
        "Ce qui n'était qu'un projet pour {d} un {t} est devenu une épreuve de force entre {p} et {b}.",
    ],
    titles: &[
        "{p} va {d} son {t} {q}",
        "{n} s'inquiète pour le {t} {q} de {p}",
        "Pourquoi {b} veut {d} le {t} de {p}",
        "À {p}, un {t} {q} divise les voisins",
        "Le {t} de {p} dans la ligne de mire : {b} s'explique",
    ],
    between: " ",
};

const CHINESE: Words = Words {
    names: &[
        "陈志远",
        "林晓东",
        "王建民",
        "李国庆",
        "张慧敏",
        "刘长春",
        "赵学军",
        "黄丽华",
        "周文斌",
        "吴海燕",
        "郑开泰",
        "孙广达",
        "马秀云",
        "朱永强",
        "胡春梅",
        "郭振邦",
        "何家明",
        "高立新",
        "罗云飞",
        "梁思远",
        "宋玉兰",
        "唐国栋",
        "许丽娟",
        "韩东升",
        "冯学义",
        "邓明亮",
        "曹振华",
        "彭亚平",
        "曾庆丰",
        "肖南风",
    ],
    places: &[
        "青山县",
        "临江市",
        "东湖区",
        "云岭镇",
        "白河口",
        "长乐村",
        "金沙湾",
        "石桥乡",
        "南屏街道",
        "龙泉驿",
        "望海新区",
        "平阳渡",
        "松林坪",
        "古城西路",
        "玉泉山",
        "新丰港",
        "桃花岛",
        "高台子",
        "双溪口",
        "铁岭关",
        "红星农场",
        "大柳树",
    ],
    things: &[
        "跨江大桥",
        "老旧小区",
        "农贸市场",
        "污水处理厂",
        "公交枢纽",
        "乡村小学",
        "体育场馆",
        "防洪堤坝",
        "地铁换乘站",
        "图书馆分馆",
        "养老中心",
        "水产养殖场",
        "工业园区",
        "历史街区",
        "有轨电车",
        "高压线路",
        "社区医院",
        "苹果基地",
        "停车楼",
        "天然气管道",
        "电子厂房",
        "码头仓库",
        "文化广场",
        "自来水管网",
        "风力电站",
        "共享单车",
    ],
    qualities: &[
        "年久失修的",
        "备受争议的",
        "刚刚完工的",
        "投资巨大的",
        "闲置多年的",
        "深受欢迎的",
        "存在隐患的",
        "规模不大的",
        "设备先进的",
        "位置偏远的",
        "资金短缺的",
        "闻名全省的",
        "尚未验收的",
        "违规建设的",
        "人满为患的",
        "管理混乱的",
        "群众期盼的",
        "运行平稳的",
    ],
    deeds: &[
        "改造",
        "关闭",
        "重新开放",
        "公开拍卖",
        "全面检查",
        "扩建",
        "依法拆除",
        "对外出租",
        "加固维修",
        "整体搬迁",
        "暂缓建设",
        "批准立项",
        "严格审计",
        "统一更名",
        "围挡封闭",
        "升级换代",
        "恢复原貌",
        "动态监测",
        "紧急疏散",
        "引进外资",
    ],
    bodies: &[
        "市政府有关部门",
        "县水利局",
        "当地居民委员会",
        "省交通运输厅",
        "消防救援支队",
        "第三方评估机构",
        "区市场监管局",
        "自来水公司",
        "总工会",
        "中级人民法院",
        "设计研究院",
        "文物保护中心",
        "教育主管部门",
        "保险公司",
        "规划委员会",
        "海事部门",
        "农业专家组",
        "人大代表视察团",
    ],
    times: &[
        "周一上午",
        "上周末",
        "汛期到来之前",
        "当天凌晨",
        "听证会结束后",
        "未来两年之内",
        "本月底",
        "台风过境期间",
        "临近午夜时分",
        "今年开春以来",
        "在书面答复中",
        "在座无虚席的会议上",
        "国庆长假期间",
        "进入新世纪后",
    ],
    sentences: &[
        "{b}{z}决定对{p}{q}{t}进行{d}，尽管{n}此前警告说费用将超过{0}万元。",
        "“谁也没想到他们真的会把{t}{d}。”在{p}住了{0}年的{n}这样告诉来访者。",
        "根据{b}{z}公布的数据，{p}约有{0}户家庭的日常生活离不开这座{t}。",
        "这处{q}{t}上一次引起关注，还是因为{b}拒绝了{p}提出的{d}申请。",
        "{n}代表{b}表示，{d}{t}的方案{z}已经通过，不会因为个别意见而改变。",
        "技术人员{z}进场时发现{0}处裂缝，{q}墙体随时可能影响{t}的安全。",
        "与此同时，相邻的{p}也有一处{t}{z}停用，{b}答应等待第二份鉴定报告。",
        "以{n}为代表的反对者主张先行{d}，再讨论{q}{t}何去何从。",
        "这场纠纷源于{b}{z}同{p}一家企业签订的合同，合同里对{t}只字未提。",
        "{t}周边的商户反映营业额下降了百分之{0}，{n}担心不少人会离开{p}。",
        "{z}，来自{p}的志愿者带着自家工具，开始清理{q}{t}留下的杂物。",
        "发言人没有正面回答{b}究竟会{d}还是任由{t}继续闲置。",
        "在{n}看来，道理很简单，{p}需要一座{t}，哪怕是{q}也好过再写一份报告。",
        "工程所需资金来自{b}{z}设立的专项基金，总额大约{0}亿元。",
        "{p}{q}{t}经历过{0}次洪水和三任领导，还躲过了一次{d}的计划。",
        "只要{b}点头同意，{t}的施工最快{z}就可以启动，{n}补充道。",
        "航拍画面显示，{z}积水已经漫到{t}的二层，写着{p}字样的牌子随波漂走。",
        "截至目前，受影响的{0}户居民已经领到补偿，其中多数人来自{p}。",
        "原本只是{d}一处{t}的小事，如今却成了检验{b}公信力的试金石。",
        "{n}回忆说，从前{p}的老人常常围着{t}唱歌，{b}怎么想他们并不在意。",
    ],
    titles: &[
        "{p}{q}{t}将{d}",
        "{n}：{p}{t}问题不容忽视",
        "{b}为何坚持{d}{p}{t}",
        "{p}{t}引发争论，{b}回应",
        "{q}{t}迎来转机，{p}居民期待{d}",
    ],
    between: "",
};

fn words(tongue: Tongue) -> &'static Words {
    match tongue {
        Tongue::Chinese => &CHINESE,
        Tongue::English => &ENGLISH,
        Tongue::French => &FRENCH,
    }
}

/// Simplified characters with their traditional forms: a few hundred of those that the articles are made of.
const SCRIPTS: &str = "陈陳远遠晓曉东東国國庆慶张張刘劉长長赵趙学學军軍黄黃丽麗华華吴吳郑鄭开開广廣达達马馬云雲强強罗羅飞飛许許韩韓冯馮义義邓鄧亚亞肖蕭风風县縣临臨岭嶺镇鎮乐樂湾灣桥橋乡鄉龙龍阳陽渡渡松松坪坪桃桃岛島铁鐵关關场場树樹旧舊农農贸貿处處厂廠体體馆館坝壩换換图圖书書养養产產业業历歷区區电電车車压壓线線苹蘋楼樓气氣码碼头頭仓倉广廣备備争爭议議刚剛资資闲閒欢歡隐隱规規设設进進远遠缺缺闻聞违違满滿为為乱亂运運稳穩检檢查查扩擴对對维維缓緩审審计計统統围圍复複动動测測紧緊门門员員会會输輸队隊评評监監险險务務划劃时時节節开開听聽证證结結束束内內过過间間夜夜书書国國经經费費将將万萬谁誰没沒们們这這样樣话話诉訴来來访訪据據数數户戶还還绝絕绝絕请請应應个個见見发發现現术術伤傷响響联聯报報导導现現说說两兩义義变變记記从從围圍绕繞并並让讓满滿双雙优優亿億额額约約传傳质質级級职職虽雖尽盡";

fn traditional(text: &str) -> String {
    let pairs: Vec<char> = SCRIPTS.chars().collect();
    let map: BTreeMap<char, char> = pairs.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    text.chars().map(|c| *map.get(&c).unwrap_or(&c)).collect()
}

/// Makes articles.
pub(crate) struct Press {
    dice: fastrand::Rng,
}

impl Press {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.dice.usize(..of.len())]
    }

    fn fill(&mut self, form: &str, words: &Words) -> String {
        let mut out = String::new();
        let mut rest = form;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            match &rest[at + 1..=at + 1] {
                "n" => out.push_str(self.pick(words.names)),
                "p" => out.push_str(self.pick(words.places)),
                "t" => out.push_str(self.pick(words.things)),
                "q" => out.push_str(self.pick(words.qualities)),
                "d" => out.push_str(self.pick(words.deeds)),
                "b" => out.push_str(self.pick(words.bodies)),
                "z" => out.push_str(self.pick(words.times)),
                _ => out.push_str(&self.dice.u32(2..900).to_string()),
            }
            rest = &rest[at + 3..];
        }
        out.push_str(rest);
        let mut letters = out.chars();
        match letters.next() {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => out,
        }
    }

    fn paragraph(&mut self, words: &Words, sentences: usize) -> String {
        let all: Vec<String> = (0..sentences)
            .map(|_| {
                let form = self.pick(words.sentences);
                self.fill(form, words)
            })
            .collect();
        all.join(words.between)
    }

    /// Headline and paragraphs of a new article.
    pub(crate) fn article(&mut self, tongue: Tongue) -> (String, Vec<String>) {
        let words = words(tongue);
        let form = self.pick(words.titles);
        let title = self.fill(form, words);
        let count = self.dice.usize(4..8);
        let paragraphs = (0..count)
            .map(|_| {
                let sentences = self.dice.usize(2..5);
                self.paragraph(words, sentences)
            })
            .collect();
        (title, paragraphs)
    }

    /// The article as another publisher prints it.
    fn again(&mut self, of: &Printed, kind: &'static str, site: usize) -> Printed {
        let words = words(of.tongue);
        let mut copy = of.clone();
        copy.kind = kind;
        copy.link = format!("https://site{site}.example/{}/{}", site * 7, copy.guid);
        let text = &mut copy.paragraphs;
        match kind {
            "headline" => {
                let form = self.pick(words.titles);
                copy.title = self.fill(form, words);
            }
            "lead" => text[0] = self.paragraph(words, 2),
            "source line" => text.insert(
                0,
                match of.tongue {
                    Tongue::Chinese => format!("来源：第{site}新闻网 2026-03-01 0{}:15", site % 9),
                    Tongue::English => format!("Source: Agency {site}, 1 March 2026"),
                    Tongue::French => format!("Source : agence {site}, le 1er mars 2026"),
                },
            ),
            "truncated" => {
                text.truncate(2);
                let cut = text[1].chars().count() / 2;
                text[1] = text[1].chars().take(cut).chain("…".chars()).collect();
            }
            "summary" => text.truncate(1),
            "script" => {
                copy.title = traditional(&copy.title);
                for paragraph in text {
                    *paragraph = traditional(paragraph);
                }
            }
            "reordered" => {
                let last = text.len() - 1;
                text.swap(1, last);
            }
            "editor line" => text.push(match of.tongue {
                Tongue::Chinese => format!("（责任编辑：{}）", self.pick(words.names)),
                Tongue::English => format!(
                    "Reporting by {}; editing by {}",
                    self.pick(words.names),
                    self.pick(words.names)
                ),
                Tongue::French => format!("Édité par {}", self.pick(words.names)),
            }),
            "punctuation" => {
                for paragraph in text {
                    *paragraph = paragraph
                        .replace('，', ", ")
                        .replace('。', ". ")
                        .replace('"', "”")
                        .replace(" — ", " - ")
                        .replace(", ", "，");
                }
            }
            "tracking" => copy.link = format!("{}?utm_source=site{site}&from=timeline", of.link),
            "small edits" => {
                for paragraph in text.iter_mut().step_by(2) {
                    let from = self.pick(words.qualities);
                    let to = self.pick(words.qualities);
                    *paragraph = paragraph.replace(from, to);
                }
                let more = self.paragraph(words, 1);
                let last = text.len() - 1;
                text[last] = format!("{}{}{more}", text[last], words.between);
            }
            _ => {}
        }
        copy
    }
}

/// What one site puts under everything.
fn footer(tongue: Tongue, site: usize) -> String {
    match tongue {
        Tongue::Chinese => format!(
            "本网站第{site}频道所刊载信息不代表本站观点，未经书面授权不得转载摘编，违者将被追究相关法律责任，联系电话请见首页底部。"
        ),
        Tongue::English => format!(
            "You are reading channel {site} of a paper that has been delivered to homes along the coast for more than a century; write to the desk if you would like your own copy each morning."
        ),
        Tongue::French => format!(
            "Vous lisez l'édition {site} d'un journal distribué depuis plus d'un siècle dans toutes les communes de la côte ; écrivez à la rédaction pour recevoir votre exemplaire chaque matin."
        ),
    }
}

/// Feeds by site: articles with their reprints, and what looks like reprints. Each site has its footer.
pub(crate) fn sites(seed: u64, articles: usize, sites: usize) -> Vec<Vec<Printed>> {
    let mut press = Press::new(seed);
    let mut feeds: Vec<Vec<Printed>> = vec![Vec::new(); sites * TONGUES.len()];
    let mut story = 0;
    for (block, tongue) in TONGUES.into_iter().enumerate() {
        let feed = |site: usize| block * sites + site % sites;
        let mut number = 0;
        for n in 0..articles {
            let (title, paragraphs) = press.article(tongue);
            story += 1;
            number += 1;
            let first = Printed {
                guid: format!("{tongue:?}-{n}-0"),
                link: format!("https://paper{n}.example/{tongue:?}/{number}.html"),
                title,
                paragraphs,
                story,
                kind: "original",
                tongue,
            };
            let mut all = vec![first.clone()];
            for copy in 0..4 {
                let kind = KINDS[(n * 4 + copy) % KINDS.len()];
                let mut printed = press.again(&first, kind, n + copy + 1);
                printed.guid = format!("{tongue:?}-{n}-{}", copy + 1);
                all.push(printed);
            }
            for (copy, mut printed) in all.into_iter().enumerate() {
                let site = n + copy;
                if copy != 0 && printed.kind != "truncated" && printed.kind != "summary" {
                    printed.paragraphs.push(footer(tongue, site % sites));
                }
                feeds[feed(site)].push(printed);
            }
        }
        let lone = |story: &mut usize, kind, title: String, paragraphs, link: String| {
            *story += 1;

            Printed {
                guid: format!("{tongue:?}-{kind}-{story}"),
                link,
                title,
                paragraphs,
                story: *story,
                kind,
                tongue,
            }
        };
        // A daily series of one form, at two sites.
        for day in 1..=6 {
            for site in 0..2 {
                let (place, form) = match tongue {
                    Tongue::Chinese => ("临江市", format!("3月{day}日天气预报")),
                    Tongue::English => ("Millbrook", format!("Weather for {day} March")),
                    Tongue::French => ("Montclair", format!("Météo du {day} mars")),
                };
                let dice = &mut press.dice;
                let (high, low, wind, rain, humid) = (
                    dice.u32(8..30),
                    dice.u32(0..8),
                    dice.u32(31..60),
                    dice.u32(61..80),
                    dice.u32(81..99),
                );
                let text = match tongue {
                    Tongue::Chinese => format!(
                        "{place}气象台发布未来一天天气预报，预计白天最高气温{high}度，夜间最低气温{low}度，阵风每小时{wind}公里，降水概率百分之{rain}，相对湿度百分之{humid}，请市民外出注意防寒保暖，驾车减速慢行，关好门窗，及时收回阳台物品。"
                    ),
                    Tongue::English => format!(
                        "The weather office of {place} expects a high of {high} degrees during the day and a low of {low} degrees at night, gusts of up to {wind} kilometres an hour, a chance of rain of {rain} per cent and a humidity of {humid} per cent. Drivers are asked to take care on bridges and to keep their distance."
                    ),
                    Tongue::French => format!(
                        "Le service météorologique de {place} prévoit un maximum de {high} degrés dans la journée et un minimum de {low} degrés la nuit, des rafales de {wind} kilomètres à l'heure, un risque de pluie de {rain} pour cent et une humidité de {humid} pour cent. Les automobilistes sont invités à la prudence sur les ponts."
                    ),
                };
                let link = format!("https://weather{site}.example/{tongue:?}/{day}");
                let printed = lone(&mut story, "series", form, vec![text], link);
                feeds[feed(site)].push(printed);
            }
        }
        // Follow-ups: what is new, and the background once more.
        for n in 0..8 {
            let (title, paragraphs) = press.article(tongue);
            let background = paragraphs[0].clone();
            let link = format!("https://news.example/{tongue:?}/first{n}");
            let first = lone(&mut story, "follow-up", title, paragraphs, link);
            feeds[feed(n)].push(first);
            let (title, mut paragraphs) = press.article(tongue);
            paragraphs.push(background);
            let link = format!("https://news.example/{tongue:?}/second{n}");
            let second = lone(&mut story, "follow-up", title, paragraphs, link);
            feeds[feed(n + 1)].push(second);
        }
        // Teasers with nothing but the site's footer in common, and addresses that differ in what chooses the article.
        for n in 0..12 {
            let (title, paragraphs) = press.article(tongue);
            let teaser: String = paragraphs[0].chars().take(18).collect();
            let link = format!("https://cms.example/{tongue:?}/show.php?cat=4&id={n}");
            let text = vec![teaser, footer(tongue, n % 3)];
            let printed = lone(&mut story, "footer and parameter", title, text, link);
            feeds[feed(n % 3)].push(printed);
        }
    }
    feeds
}

/// How well pairs were found.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pairs {
    pub(crate) right: usize,
    pub(crate) wrong: usize,
    pub(crate) missed: usize,
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand pairs")]
impl Pairs {
    pub(crate) fn precision(self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }

    pub(crate) fn recall(self) -> f64 {
        self.right as f64 / (self.right + self.missed).max(1) as f64
    }

    pub(crate) fn f1(self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        2.0 * p * r / (p + r).max(f64::MIN_POSITIVE)
    }
}

/// Compares what was found (guid → article) with the truth, pair by pair.
pub(crate) fn judge(all: &[&Printed], found: &BTreeMap<String, String>) -> (Pairs, Vec<String>) {
    let (mut pairs, mut faults) = (Pairs::default(), Vec::new());
    for (n, a) in all.iter().enumerate() {
        for b in &all[n + 1..] {
            let (truly, here) = (a.story == b.story, found[&a.guid] == found[&b.guid]);
            match (truly, here) {
                (true, true) => pairs.right += 1,
                (false, true) => {
                    pairs.wrong += 1;
                    faults.push(format!(
                        "merged: {} ({}) and {} ({})",
                        a.guid, a.kind, b.guid, b.kind
                    ));
                }
                (true, false) => {
                    pairs.missed += 1;
                    faults.push(format!(
                        "missed: {} ({}) and {} ({})",
                        a.guid, a.kind, b.guid, b.kind
                    ));
                }
                (false, false) => {}
            }
        }
    }
    (pairs, faults)
}
